from dataclasses import replace

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.demo.motions import ANGLE, LIGHT, SIZE, X, Y
from untrimmed.demo.render import pictures
from untrimmed.demo.scene import HEIGHT, WIDTH, Figure, Scene
from untrimmed.demo.shapes import SHAPES, sprite

EMPTY = Scene(
    figures=(),
    actions=Actions.none(),
    hue=0.6,
    camera=np.zeros((3, 2)),
    backdrop=np.zeros((3, 2)),
    light=np.array([[1.0, 0.0]] * 3),
    texture=4,
)


def drawn(scene):
    return np.stack(list(pictures(scene))).astype(int)


def with_figure(shape="fish", *, length=3, **changes):
    """The figure in the middle of the picture; `changes` give a column its values."""
    columns = {"x": X, "y": Y, "angle": ANGLE, "size": SIZE, "light": LIGHT}
    poses = np.zeros((length, 5))
    poses[:, [X, Y]] = WIDTH / 2, HEIGHT / 2
    for name, values in changes.items():
        poses[:, columns[name]] = values
    return replace(EMPTY, figures=(Figure(shape, 0.1, 17.0, poses),))


def where_figure(scene):
    """Pixels that differ from the empty scene."""
    return np.abs(drawn(scene) - drawn(EMPTY)).max(-1) > 8


def middle(mask):
    return np.array([index.mean() for index in np.nonzero(mask)])


def test_the_same_scene_gives_the_same_pictures():
    assert (drawn(with_figure()) == drawn(with_figure())).all()


def test_a_still_scene_stays_as_it_is():
    still = drawn(with_figure())
    assert (still[0] == still[2]).all()
    assert still.shape == (3, HEIGHT, WIDTH, 3)


def test_x_leads_rightwards_and_y_downwards():
    masks = where_figure(with_figure(x=[60, 75, 60], y=[50, 50, 61]))
    start = middle(masks[0])
    assert middle(masks[1]) - start == pytest.approx([0, 15], abs=0.2)
    assert middle(masks[2]) - start == pytest.approx([11, 0], abs=0.2)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_growing_angle_turns_clockwise(shape):
    masks = where_figure(with_figure(shape, angle=[0.4, 0.4 + np.pi / 2, 0.4 - np.pi / 2]))
    top, left = (HEIGHT - 100) // 2, (WIDTH - 100) // 2
    upright, clockwise, counter = (mask[top : top + 100, left : left + 100] for mask in masks)
    assert (np.rot90(upright, -1) != clockwise).mean() < 0.003
    assert (np.rot90(upright, 1) != counter).mean() < 0.003


@pytest.mark.parametrize("shape", SHAPES)
def test_every_turn_of_a_shape_looks_different(shape):
    picture = sprite(shape, 0.1).astype(int)
    opaque = (picture[..., 3] > 128).sum()
    for turned in (np.rot90(picture, n) for n in (1, 2, 3)):
        assert (np.abs(turned - picture).max(-1) > 60).sum() > 0.4 * opaque


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_stays_inside_of_its_square(shape):
    rim = np.ones((sprite(shape, 0.1).shape[0],) * 2, bool)
    rim[1:-1, 1:-1] = False
    assert not sprite(shape, 0.1)[rim].any()


def test_size_is_logarithmic():
    masks = where_figure(with_figure(size=[0.0, np.log(2.0), 0.0]))
    assert masks[1].sum() / masks[0].sum() == pytest.approx(4, rel=0.05)


def test_light_dims_the_figure_alone():
    bright, dim, _ = drawn(with_figure(light=[0.0, -0.7, 0.0]))
    body = where_figure(with_figure())[0]
    assert dim[body].mean() == pytest.approx(bright[body].mean() / 2, rel=0.15)
    assert (bright[~body] == dim[~body]).mean() > 0.99


def test_the_camera_moves_figures_and_background_alike():
    still = drawn(with_figure())[0]
    moved = drawn(replace(with_figure(), camera=np.array([[4.0, -3.0]] * 3)))[0]
    assert np.abs(moved[:-3, 4:] - still[3:, :-4]).max() <= 1


def test_the_backdrop_moves_behind_the_figures():
    body = where_figure(with_figure())[0]
    shifted = drawn(replace(with_figure(), backdrop=np.array([[5.0, 0.0]] * 3)))[0]
    inside = body & np.roll(body, 2, 1) & np.roll(body, -2, 1)
    inside &= np.roll(body, 2, 0) & np.roll(body, -2, 0)
    assert (shifted == drawn(with_figure())[0])[inside].mean() > 0.99
    assert (shifted[:, 5:] == drawn(EMPTY)[0][:, :-5])[~body[:, 5:]].mean() > 0.97


def test_half_the_light_gives_half_the_brightness():
    full, half, _ = drawn(replace(with_figure(), light=np.array([[1.0, 0], [0.5, 0], [1.0, 0]])))
    assert np.abs(half - full / 2).max() <= 1


def test_a_figure_outside_of_the_picture_is_not_drawn():
    assert not where_figure(with_figure(x=[-80, WIDTH + 80, 40], y=[50, 50, -90])).any()

import numpy as np
import pytest

from untrimmed.demo.motions import ANGLE, CLASSES, X
from untrimmed.demo.scene import FPS, HEIGHT, WIDTH, plan

SCENES = [plan(np.random.default_rng([3, n])) for n in range(24)]


def test_the_same_stream_gives_the_same_scene():
    again = plan(np.random.default_rng([3, 0]))
    assert (again.actions.segments_s == SCENES[0].actions.segments_s).all()
    assert all(
        (a.poses == b.poses).all() for a, b in zip(again.figures, SCENES[0].figures, strict=True)
    )


@pytest.mark.parametrize("scene", SCENES[:8])
def test_actions_are_in_order_and_inside_the_video(scene):
    starts_s = scene.actions.segments_s[:, 0]
    assert (np.diff(starts_s) > 0).all()
    assert starts_s.min() > 0
    assert scene.actions.segments_s.max() < scene.duration_s


@pytest.mark.parametrize("scene", SCENES[:8])
def test_figures_stay_in_the_picture(scene):
    for figure in scene.figures:
        assert (np.abs(figure.poses[:, :2] - [WIDTH / 2, HEIGHT / 2]) < [76, 64]).all()


@pytest.mark.parametrize(
    ("kind", "column", "least"),
    [
        ("move left", X, -10.0),
        ("move right", X, 10.0),
        ("turn clockwise", ANGLE, 2.0),
        ("turn counterclockwise", ANGLE, -2.0),
    ],
)
def test_somebody_does_what_the_annotation_says(kind, column, least):
    for scene in SCENES:
        for start_s, end_s, label in scene.actions:
            if CLASSES[label] == kind:
                begin, end = round(start_s * FPS), round(end_s * FPS)
                change = [f.poses[end, column] - f.poses[begin, column] for f in scene.figures]
                assert max(np.sign(least) * np.array(change)) > abs(least)


def test_nobody_turns_far_without_an_annotation():
    for scene in SCENES:
        turning = np.isin(scene.actions.labels, [2, 3, 5])
        seconds = np.arange(len(scene.camera)) / FPS
        idle = np.ones(len(seconds), bool)
        for start_s, end_s in scene.actions.segments_s[turning]:
            idle &= (seconds < start_s - 0.1) | (seconds > end_s + 0.1)
        for figure in scene.figures:
            speed = np.abs(np.diff(figure.poses[:, ANGLE])) * FPS
            assert speed[idle[1:] & idle[:-1]].max() < 1.0  # the slowest turn: 2.5 radians a second


def test_classes_are_about_equally_frequent():
    labels = np.concatenate([scene.actions.labels for scene in SCENES])
    counts = np.bincount(labels, minlength=len(CLASSES))
    assert counts.min() > 0.6 * counts.mean()


def test_some_actions_overlap_and_most_have_background_between_them():
    gaps_s = np.concatenate(
        [s.actions.segments_s[1:, 0] - s.actions.segments_s[:-1, 1] for s in SCENES]
    )
    assert 0.05 < (gaps_s < 0).mean() < 0.4


def test_lengths_of_actions_vary_fourfold():
    lengths_s = np.concatenate([np.diff(s.actions.segments_s)[:, 0] for s in SCENES])
    assert lengths_s.min() >= 1.6
    assert lengths_s.max() > 4 * 1.5
    assert lengths_s.max() <= 6.5

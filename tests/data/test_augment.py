from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from untrimmed.data.augment import Augment, augment, centre_crop, distort, draw, rotate

B, M, L, H, W = 4, 2, 3, 6, 8
OFF = Augment(crop=None, photometric=0, rotation=0, flip=0)
NO_COLOUR = replace(OFF, photometric=1, brightness=0, contrast=0, saturation=0, hue=0, swap=0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def frames():
    return torch.randint(0, 256, (B, M, 3, L, H, W), dtype=torch.uint8, generator=seeded(7))


def drawn(**changes):
    """A draw for one window that changes nothing but what is named."""
    plain = draw(1, margins=(0, 0), config=NO_COLOUR, generator=seeded())
    return plain._replace(**{name: torch.tensor([value]) for name, value in changes.items()})


def pixel(*rgb):
    """One pixel, as a frame (1, 3, 1, 1, 1)."""
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1, 1)


def test_everything_off_changes_nothing(frames):
    assert torch.equal(augment(frames, config=OFF, generator=seeded()), frames.float())
    assert torch.equal(augment(frames, config=NO_COLOUR, generator=seeded()), frames.float())


def test_the_input_is_left_as_it_is(frames):
    before = frames.clone()
    augment(frames, config=Augment(crop=(5, 4), photometric=1), generator=seeded())
    assert torch.equal(frames, before)
    floating = frames.float()
    augment(floating, config=replace(OFF, photometric=1, flip=1), generator=seeded())
    assert torch.equal(floating, before.float())


def test_frames_stay_in_their_range():
    frames = torch.randint(0, 256, (20, 1, 3, 1, H, W), dtype=torch.uint8, generator=seeded())
    out = augment(
        frames, config=Augment(crop=(5, 4), photometric=1, rotation=1), generator=seeded()
    )
    assert out.shape == (20, 1, 3, 1, 5, 4)
    assert out.min() >= 0
    assert out.max() <= 255.001


def test_all_clips_of_a_window_are_changed_alike():
    frames = torch.randint(0, 256, (8, 1, 3, 1, H, W), dtype=torch.uint8, generator=seeded())
    frames = frames.expand(8, M, 3, L, H, W)
    out = augment(frames, config=Augment(crop=(5, 4)), generator=seeded())
    assert torch.equal(out[:, :1, :, :1].expand_as(out), out)


def test_windows_are_changed_each_on_its_own():
    frames = torch.randint(0, 256, (1, 1, 3, 1, H, W), dtype=torch.uint8, generator=seeded())
    out = augment(
        frames.expand(8, 1, 3, 1, H, W), config=replace(OFF, photometric=1), generator=seeded()
    )
    assert len({tuple(window.flatten().tolist()) for window in out}) == 8


def test_the_generator_decides_alone(frames):
    config = Augment(crop=(5, 4))
    first, second = (augment(frames, config=config, generator=seeded(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(frames, config=config, generator=seeded(4)))


def test_switching_one_change_off_leaves_the_others_as_they_were():
    whole = draw(9, margins=(2, 3), config=Augment(), generator=seeded())
    less = draw(9, margins=(2, 3), config=Augment(brightness=0, swap=0), generator=seeded())
    for name in ("top", "contrast", "hue", "angle", "flipped"):
        assert torch.equal(getattr(whole, name), getattr(less, name))
    assert not less.brightness.any()
    assert (less.order == torch.arange(3)).all()


def test_draws_keep_to_their_ranges_and_reach_their_ends():
    out = draw(4000, margins=(2, 0), config=Augment(), generator=seeded())
    assert set(out.top.tolist()) == {0, 1, 2}
    assert set(out.left.tolist()) == {0}
    for values, without, low, high in [
        (out.brightness, 0, -32, 32),
        (out.contrast, 1, 0.5, 1.5),
        (out.saturation, 1, 0.5, 1.5),
        (out.angle, 0, -45, 45),
    ]:
        changed = values[values != without]
        assert len(changed) == pytest.approx(2000, abs=150)
        assert low <= changed.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < changed.max() <= high
    assert (out.hue != 0).all()
    assert out.hue.abs().max() == pytest.approx(18, abs=0.1)
    for happens in (out.distorted, out.flipped, out.contrast_first):
        assert happens.float().mean() == pytest.approx(0.5, abs=0.04)
    orders = [tuple(order) for order in out.order.tolist()]
    assert len(set(orders)) == 6
    # Half are left alone, and so is a sixth of the others.
    assert orders.count((0, 1, 2)) == pytest.approx(4000 * 7 / 12, abs=150)


def test_a_random_crop_is_a_part_of_its_frames(frames):
    config = replace(OFF, crop=(4, 3))
    out = augment(frames, config=config, generator=seeded(1))
    places = draw(B, margins=(H - 4, W - 3), config=config, generator=seeded(1))
    for window, (top, left) in enumerate(zip(places.top, places.left, strict=True)):
        wanted = frames[window, ..., top : top + 4, left : left + 3]
        assert torch.equal(out[window], wanted.float())
    assert len(set(zip(places.top.tolist(), places.left.tolist(), strict=True))) > 1


def test_brightness_is_added_and_cut():
    out = distort(pixel(10, 100, 250), drawn(brightness=-20.0))
    assert out.flatten().tolist() == [0, 80, 230]


def test_contrast_multiplies_and_cuts():
    out = distort(pixel(10, 100, 250), drawn(contrast=1.5))
    assert out.flatten().tolist() == [15, 150, 255]


def test_contrast_comes_before_the_colours_or_after_them():
    change = {"contrast": 2.0, "saturation": 0.5}
    before = distort(pixel(100, 200, 0), drawn(contrast_first=True, **change))
    torch.testing.assert_close(before, pixel(227.5, 255, 127.5), atol=1e-3, rtol=0)
    after = distort(pixel(100, 200, 0), drawn(contrast_first=False, **change))
    torch.testing.assert_close(after, pixel(255, 255, 200), atol=1e-3, rtol=0)


def test_saturation_of_zero_gives_grey():
    out = distort(pixel(10, 100, 250), drawn(saturation=0.0))
    assert out.flatten().tolist() == [250, 250, 250]


def test_saturation_beyond_full_is_cut():
    out = distort(pixel(10, 100, 250), drawn(saturation=1.5))
    assert out.flatten().tolist() == pytest.approx([0, 25, 250], abs=1e-3)


@pytest.mark.parametrize(
    ("hue", "wanted"), [(60.0, (200, 200, 0)), (-60.0, (200, 0, 200)), (120.0, (0, 200, 0))]
)
def test_hue_turns_red_into_its_neighbours(hue, wanted):
    out = distort(pixel(200, 0, 0), drawn(hue=hue))
    torch.testing.assert_close(out, pixel(*wanted), atol=1e-3, rtol=0)


def test_channels_are_taken_from_their_places():
    out = distort(pixel(1, 2, 3), drawn(order=[2, 0, 1]))
    assert out.flatten().tolist() == [3, 1, 2]


def test_two_flips_change_nothing(frames):
    config = replace(OFF, flip=1)
    once = augment(frames, config=config, generator=seeded())
    assert torch.equal(once, frames.float().flip(-1))
    assert torch.equal(augment(once, config=config, generator=seeded()), frames.float())


def test_a_rotation_by_nothing_changes_nothing(frames):
    pixels = frames[:, 0].float()
    out = rotate(pixels, torch.zeros(B, dtype=torch.float64))
    torch.testing.assert_close(out, pixels, atol=1e-3, rtol=0)


def test_a_quarter_turn_is_counter_clockwise_and_reflects_beyond_the_border(frames):
    pixels = frames[:1, 0, ..., :3, :5].float()
    square = np.pad(pixels.numpy(), [(0, 0)] * 3 + [(1, 1), (0, 0)], mode="reflect")
    wanted = torch.from_numpy(np.rot90(square, axes=(3, 4))[..., 1:4, :].copy())
    out = rotate(pixels, torch.tensor([90.0], dtype=torch.float64))
    torch.testing.assert_close(out, wanted, atol=1e-2, rtol=0)


def test_every_window_has_its_own_angle(frames):
    pixels = frames[:2, 0, ..., :5, :5].float()
    out = rotate(pixels, torch.tensor([90.0, 180.0], dtype=torch.float64))
    torch.testing.assert_close(out[0], pixels[0].rot90(1, (-2, -1)), atol=1e-2, rtol=0)
    torch.testing.assert_close(out[1], pixels[1].rot90(2, (-2, -1)), atol=1e-2, rtol=0)


def test_a_rotation_mixes_neighbours_linearly():
    # A ramp along x becomes one along the diagonal.
    ramp = torch.arange(9.0).expand(1, 3, 1, 9, 9).contiguous()
    out = rotate(ramp, torch.tensor([45.0], dtype=torch.float64))[0, 0, 0]
    offset = torch.arange(9.0) - 4
    wanted = 4 + (offset - offset[:, None]) / 2**0.5
    torch.testing.assert_close(out[2:7, 2:7], wanted[2:7, 2:7], atol=1e-3, rtol=0)


def test_autocast_does_not_round_the_changes(frames):
    config = replace(OFF, photometric=1, rotation=1)
    with torch.autocast("cpu", torch.bfloat16):
        cast = augment(frames, config=config, generator=seeded())
    assert torch.equal(cast, augment(frames, config=config, generator=seeded()))


def test_no_window_gives_no_window():
    nothing = torch.zeros(0, M, 3, L, H, W, dtype=torch.uint8)
    assert augment(nothing, config=Augment(crop=(5, 4)), generator=seeded()).shape[0] == 0


def test_the_centre_crop_is_the_middle():
    frames = torch.arange(H * W).view(1, 1, H, W)
    assert torch.equal(centre_crop(frames, (2, 4)), frames[..., 2:4, 2:6])


def test_a_crop_larger_than_the_frames_is_refused(frames):
    message = "a crop of 7 x 8 pixels does not fit into frames of 6 x 8"
    with pytest.raises(ValueError, match=message):
        augment(frames, config=replace(OFF, crop=(7, 8)), generator=seeded())
    with pytest.raises(ValueError, match=message):
        centre_crop(frames, (7, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flip": 1.5}, r"flip: wanted a number in \[0, 1\], got 1\.5"),
        ({"contrast_by": (1.5, 0.5)}, "contrast_by must rise"),
        ({"crop": (0, 4)}, r"crop: wanted numbers above 0, got \(0, 4\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Augment(**settings)

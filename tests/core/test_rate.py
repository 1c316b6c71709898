import pytest

from untrimmed.core.rate import Squeezed, described, matches


@pytest.mark.parametrize(
    ("fps", "duration_s", "wanted"),
    [(30.0, 120.0, 6.4), (25.0, 30.72, 25.0), (25.0, 20.0, 25.0), (30.0, 25.7, 768 / 25.7)],
)
def test_only_a_video_of_more_frames_is_read_at_a_lower_rate(fps, duration_s, wanted):
    assert Squeezed(768).of(fps=fps, duration_s=duration_s) == pytest.approx(wanted)


def test_a_copy_of_a_squeezed_video_is_known_by_its_frames_alone():
    assert matches(Squeezed(48), fps=3.7, frames=48)
    assert not matches(Squeezed(48), fps=3.7, frames=49)
    assert matches(12.5, fps=12.501, frames=49, tolerance=1e-3)
    assert not matches(12.5, fps=12.501, frames=49)


def test_rates_are_described_by_what_they_fix():
    assert described(12.5) == "12.5 frames per second"
    assert described(Squeezed(48)) == "no more than 48 frames in all"

"""Clips are the likelier to be chosen, the longer ago they were; whoever asks knows the same."""

import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.data.ages import Ages
from untrimmed.data.dataset import TrainingWindows
from untrimmed.data.windows import WindowShape, window_at

SHAPE = WindowShape(clip_frames=8, clips=3, stride=2)  # 4 cells a clip, 12 a window
FRAMES = 37  # 19 cells


def window(first_cell):
    return window_at("v", first_cell, video_frames=FRAMES, fps=10, shape=SHAPE)


def test_age_counts_epochs_since_a_clip_was_encoded():
    ages = Ages(19)
    assert ages.of_clips(window(0)).tolist() == [1, 1, 1]
    ages.advance(window(0), np.array([1]))
    assert ages.of_clips(window(0)).tolist() == [2, 1, 2]
    ages.advance(window(0), np.array([0]))
    assert ages.of_clips(window(0)).tolist() == [1, 2, 3]


def test_age_of_a_clip_that_lies_across_others_is_their_mean():
    ages = Ages(19)
    ages.advance(window(0), np.array([1]))  # cells 4 to 7
    assert ages.of_clips(window(3)).tolist() == [(2 + 3 * 1) / 4, (1 + 3 * 2) / 4, 2]


def test_cells_beyond_the_video_do_not_count():
    ages = Ages(19)
    ages.advance(window(8), np.array([2]))  # cells 16 to 19, of which the last is none
    assert ages.of_clips(window(16)).tolist() == [1, 1, 1]
    ages.advance(window(0), np.array([0]))
    assert ages.of_clips(window(15)).tolist() == [(3 + 3 * 2) / 4, 1, 1]


def dataset(**changes):
    actions = Actions.none()
    videos = [Video(id=id, duration_s=3.7, actions=actions) for id in "ab"]
    settings = {"shape": SHAPE, "keep": 0.34, "seed": 3, "clips": "oldest"}
    return TrainingWindows(videos, None, **(settings | changes))


def choices(data, keys):
    drawn = [data.drawn(epoch, index, video_frames=FRAMES, fps=10) for epoch, index in keys]
    return [(window.clips.first_cell, place.tolist()) for window, place, _ in drawn]


def test_a_choice_does_not_depend_on_who_made_the_others():
    keys = [(epoch, index) for epoch in range(12) for index in range(2)]
    whole = choices(dataset(), keys)
    assert choices(dataset(), keys[1::2]) == whole[1::2]  # one of two loaders
    assert choices(dataset(), keys[-3:]) == whole[-3:]  # a resumed run
    assert choices(dataset(), keys[::-1]) == whole[::-1]


def test_windows_are_those_of_an_even_choice():
    keys = [(epoch, 0) for epoch in range(20)]
    found, even = (choices(dataset(clips=clips), keys) for clips in ("oldest", "uniform"))
    assert [first for first, _ in found] == [first for first, _ in even]
    assert found != even


def test_no_clip_is_left_for_long():
    """The longest time without, over many epochs, in a video of one window."""

    def longest(clips):
        data = dataset(clips=clips)
        drawn = [data.drawn(epoch, 0, video_frames=24, fps=10)[1].tolist() for epoch in range(400)]
        gaps = [
            np.diff([n for n, place in enumerate(drawn) if clip in place]).max()
            for clip in range(3)
        ]
        return max(gaps)

    assert longest("oldest") < 0.8 * longest("uniform")

"""Which parts of a batch hold what is valid."""

import torch

from untrimmed.nn.ops.runs import joined, rows_of, runs_of


def valid(*, cells, videos):
    """Of videos, each with the parts that are valid."""
    mask = torch.zeros(len(videos), cells, dtype=torch.bool)
    for video, parts in enumerate(videos):
        for first, stop in parts:
            mask[video, first:stop] = True
    return mask


def test_a_run_is_a_part_of_a_video():
    mask = valid(cells=500, videos=[[(0, 200)], [(150, 500)], []])
    assert runs_of(mask) == ((0, 0, 200), (1, 150, 500))


def test_what_is_far_apart_makes_two_runs_and_what_is_near_one():
    mask = valid(cells=500, videos=[[(3, 5), (40, 41), (300, 301)]])
    assert runs_of(mask) == ((0, 3, 41), (0, 300, 301))


def test_without_padding_every_video_is_a_run():
    mask = torch.ones(2, 7, dtype=torch.bool)
    assert runs_of(mask) == ((0, 0, 7), (1, 0, 7))
    assert rows_of(mask) is None


def test_runs_of_two_videos_may_be_the_same_rows():
    mask = valid(cells=500, videos=[[(0, 500)], [(0, 200)], [(400, 500)]])
    assert rows_of(mask) == (slice(0, 700), slice(1400, 1500))


def test_between_joined_parts_there_are_zeros():
    parts = [torch.ones(2, 3), torch.full((1, 3), 5.0)]
    out = joined(parts, [slice(1, 3), slice(4, 5)], out=torch.full((6, 3), torch.nan))
    assert out[:, 0].tolist() == [0, 1, 1, 0, 5, 0]

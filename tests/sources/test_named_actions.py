"""Names of videos and classes as annotation tools state them, and what all readers refuse."""

import pytest

from untrimmed.core.errors import FormatError
from untrimmed.sources.named_actions import (
    NamedAction,
    NamedVideo,
    data_set,
    video_id,
)


@pytest.fixture
def video(tmp_path):
    """A function from actions to the video that a file says has them."""

    def make(*rows, id="v1", **about):
        actions = [NamedAction(*row, place) for place, row in enumerate(rows, 1)]
        return NamedVideo(id=id, file=tmp_path / "file", actions=actions, **about)

    return make


@pytest.mark.parametrize(
    ("media", "id"),
    [
        ("v1.mp4", "v1"),
        ("file:///d/films/v1.MKV", "v1"),
        ("C:\\films\\v1.avi", "v1"),
        ("a.b.webm", "a.b"),
        ("2024.05.01", "2024.05.01"),
        ("v1", "v1"),
    ],
)
def test_a_media_file_stands_for_the_video_of_its_name(media, id):
    assert video_id(media) == id


def test_durations_of_the_file_prevail_then_those_given_then_the_last_end(video):
    data = data_set(
        [
            video((0, 1, "a"), id="stated", duration_s=5.0),
            video((0, 1, "a"), id="given"),
            video((0, 1, "a"), (0, 3, "b"), id="neither"),
        ],
        durations_s={"stated": 7.0, "given": 6.0},
    )
    assert [one.duration_s for one in data.videos.values()] == [5.0, 6.0, 3.0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 1, ""), "without a name"),
        ((0, 1, "jump"), "'jump' is none of the 1 classes"),
        ((0, float("inf"), "wave"), "wanted finite times"),
        ((float("nan"), 1, "wave"), "wanted finite times"),
    ],
)
def test_an_action_that_is_none_is_refused_by_its_place(video, row, message):
    with pytest.raises(FormatError, match=f"file:2: .*{message}"):
        data_set([video((0, 1, "wave"), row)], classes=["wave"])


def test_a_video_twice_or_without_a_duration_is_refused(video):
    with pytest.raises(FormatError, match="'v1' is annotated twice"):
        data_set([video((0, 1, "a")), video((0, 1, "a"))])
    with pytest.raises(FormatError, match="'v1' has no duration above 0 s"):
        data_set([video()])

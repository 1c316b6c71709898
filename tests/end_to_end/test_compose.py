"""Composed videos, of clips of a single colour each: so it is seen which clip a frame is of."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import compose
from benchmarks.pieces import Clip, Settings, partition, planned, read_clips
from untrimmed.sources.formats import activitynet, csv
from untrimmed.sources.table import write_rows
from untrimmed.sources.video import open_video

GREY = {"idle": 0, "wait": 20, "jump": 235, "wave": 215}
BACKGROUND = ("idle", "wait")
FPS = 10
SHORT = ["--videos", "2", "1", "1", "--fps", str(FPS), "--size", "16", "24"]
SHORT += ["--length-s", "6", "9", "--piece-s", "1", "1.5", "--background", *BACKGROUND]


def write_clip(path, grey, *, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 18, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        for _ in range(frames):
            picture = np.full((18, 32, 3), grey, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of clips: of every class three groups, of which the first has two clips."""
    folder = tmp_path_factory.mktemp("clips")
    lines = [("file", "class", "group", "split")]
    for label, grey in GREY.items():
        for number, group in enumerate(("g1", "g1", "g2", "g3")):
            name = f"{label}{number}.mp4"
            write_clip(folder / name, grey, frames=17 + number)
            lines.append((name, label, group, "test" if group == "g3" else "train"))
    write_rows(lines, folder / "clips.csv")
    return folder


@pytest.fixture(scope="module")
def composed(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("composed")
    compose.main([str(clips), "--out", str(folder), *SHORT])
    return folder


@pytest.fixture
def pieces(clips):
    """Some videos' pieces."""
    some = read_clips(clips)
    return [
        planned(
            {label: [clip for clip in some if clip.label == label] for label in GREY},
            background=BACKGROUND,
            frames_of={clip.file: 17 for clip in some},
            settings=Settings(fps=FPS, length_s=(20, 30), piece_s=(1, 1.5)),
            random=np.random.default_rng(seed),
        )
        for seed in range(5)
    ]


def brightness(path):
    video = open_video(path)
    return video.read(np.arange(video.count)).mean((1, 2, 3))


def test_a_border_lies_in_the_middle_of_its_fade(composed):
    for id, video in activitynet.read(composed / "annotations.json").videos.items():
        seen = brightness(composed / "videos" / f"{id}.mp4") > 117.5
        middles_s = (np.arange(len(seen)) + 0.5) / FPS
        inside = [(middles_s > start) & (middles_s < end) for start, end, _ in video.actions]
        wrong = seen != np.any(inside, 0)
        # A fade of an odd number of frames has its middle within one of them.
        assert wrong.sum() <= 2 * len(video.actions)
        assert seen.any()
        assert not seen[[0, -1]].any()


def test_an_action_shows_its_own_class(composed):
    annotations = activitynet.read(composed / "annotations.json")
    assert annotations.classes == ("jump", "wave")
    for id, video in annotations.videos.items():
        seen = brightness(composed / "videos" / f"{id}.mp4")
        for start_s, end_s, label in video.actions:
            middle = seen[round((start_s + end_s) / 2 * FPS)]
            assert abs(middle - GREY[annotations.classes[label]]) < 9


def test_every_join_is_a_fade_also_between_pieces_of_the_same(pieces):
    for video in pieces:
        assert video[0].fade == 0
        assert all(1 <= piece.fade <= 0.4 * piece.frames for piece in video[1:])
    inner = {piece.label is None for video in pieces for piece in video if not piece.begins}
    assert inner == {True, False}
    assert len({piece.fade for video in pieces for piece in video[1:]}) > 2


def test_a_fade_never_reaches_the_one_before(pieces):
    for video in pieces:
        for piece, after in pairwise(video):
            assert piece.fade + after.fade < piece.frames


def test_videos_begin_and_end_with_background_and_reach_their_length(pieces):
    for video in pieces:
        assert {video[0].label, video[-1].label} == {None}
        assert sum(piece.frames - piece.fade for piece in video) >= 20 * FPS


def test_videos_are_as_long_as_annotated(composed):
    for id, video in activitynet.read(composed / "annotations.json").videos.items():
        assert open_video(composed / "videos" / f"{id}.mp4").count == round(video.duration_s * FPS)


def test_the_same_seed_gives_the_same_files(clips, composed, tmp_path):
    compose.main([str(clips), "--out", str(tmp_path), *SHORT])
    files = sorted(path.relative_to(composed) for path in composed.rglob("*.*"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / file).read_bytes() == (composed / file).read_bytes()


def test_more_videos_leave_the_others_as_they_are(clips, composed, tmp_path):
    compose.main([str(clips), "--out", str(tmp_path), *SHORT, "--videos", "1", "0", "2"])
    for id in ("train-000", "test-000"):
        name = Path("videos") / f"{id}.mp4"
        assert (tmp_path / name).read_bytes() == (composed / name).read_bytes()
    assert (tmp_path / "videos" / "test-001.mp4").exists()


def test_a_table_of_times_says_the_same(clips, composed, tmp_path):
    compose.main([str(clips), "--out", str(tmp_path), *SHORT, "--form", "csv"])
    table = csv.read(tmp_path / "times.csv")
    annotations = activitynet.read(composed / "annotations.json")
    assert table.classes == annotations.classes
    assert table.splits == ("train", "validation", "test")
    for id, video in annotations.videos.items():
        assert table.videos[id].actions.labels.tolist() == video.actions.labels.tolist()
        assert np.allclose(table.videos[id].actions.segments_s, video.actions.segments_s)


def groups_of(parts, split, label):
    return [clip.group for clip in parts[split].get(label, ())]


def test_the_smallest_training_group_is_for_validation_and_the_stated_test_stays(clips):
    parts = partition(read_clips(clips), validation=0.2, test=0.25)
    for label in GREY:
        assert groups_of(parts, "train", label) == ["g1", "g1"]
        assert groups_of(parts, "validation", label) == ["g2"]
        assert groups_of(parts, "test", label) == ["g3"]


def test_without_splits_the_last_clips_are_for_testing():
    clips = [Clip(Path(f"{n}.mp4"), "jump", "", str(n)) for n in range(10)]
    parts = partition(clips, validation=0.25, test=0.3)
    assert groups_of(parts, "train", "jump") == list("01234")
    assert groups_of(parts, "validation", "jump") == list("56")
    assert groups_of(parts, "test", "jump") == list("789")


def test_the_only_group_of_a_class_is_trained_on():
    parts = partition([Clip(Path("a.mp4"), "jump", "train", "1")], validation=0.2, test=0.25)
    assert groups_of(parts, "train", "jump") == ["1"]
    assert not parts["validation"]


def test_background_without_a_clip_is_refused(clips, tmp_path):
    with pytest.raises(ValueError, match="no clips of juggle"):
        compose.main([str(clips), "--out", str(tmp_path), *SHORT, "--background", "juggle"])


def test_a_clip_that_is_not_there_is_named(tmp_path):
    write_rows([("file", "class"), ("a.mp4", "jump")], tmp_path / "clips.csv")
    with pytest.raises(FileNotFoundError, match=r"names a\.mp4"):
        read_clips(tmp_path)

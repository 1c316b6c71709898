"""How many pictures a training sample costs."""

import av
import numpy as np
import pytest

from untrimmed.core.annotations import Video
from untrimmed.data.dataset import Sample, TrainingWindows
from untrimmed.data.windows import WindowShape
from untrimmed.sources.prepare import prepare
from untrimmed.sources.video import open_video

SHAPE = WindowShape(clip_frames=6, clips=5, stride=2)
CHOSEN = 2  # of the clips, at a rate of 0.4
SIZE = (32, 48)


def write(path, *, key_every):
    noise = np.random.default_rng(0).integers(0, 256, (90, *SIZE, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        options = {"g": str(key_every), "sc_threshold": "0", "bf": "0"}
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.height, stream.width = SIZE
        for pixels in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def decoded_for(frames, *, epoch):
    """Pictures decoded for a sample, from a file just opened, and the clips that it holds."""
    windows = TrainingWindows(
        [Video(id="a", duration_s=3.0)], lambda _: frames, shape=SHAPE, keep=0.4
    )
    frames.close()
    sample = windows[epoch, 0]
    assert isinstance(sample, Sample)
    assert sample.frames.shape[:3:2] == (CHOSEN, SHAPE.clip_frames)
    return frames.decoded, [sample.window.clips.frames(clip) for clip in sample.place.tolist()]


@pytest.fixture
def video(tmp_path):
    return write(tmp_path / "a.mp4", key_every=90)


def test_only_the_frames_of_chosen_clips_are_decoded_where_each_is_a_key_frame(tmp_path):
    with open_video(write(tmp_path / "a.mp4", key_every=1), fps=30.0) as frames:
        for epoch in range(5):
            decoded, _ = decoded_for(frames, epoch=epoch)
            assert decoded == CHOSEN * SHAPE.clip_frames


def test_of_a_copy_the_frames_between_key_frame_and_clip_are_decoded_too(video, tmp_path):
    copy = tmp_path / "copy.mp4"
    prepare(video, copy, fps=30.0, size=SIZE, kind="mp4", key_every=4)
    with open_video(copy, fps=30.0) as frames:
        for epoch in range(5):
            decoded, clips = decoded_for(frames, epoch=epoch)
            wanted = {number for clip in clips for number in range(clip[0] // 4 * 4, clip[-1] + 1)}
            assert decoded == len(wanted)


def test_of_a_video_with_one_key_frame_nothing_behind_the_last_clip_is_decoded(video):
    with open_video(video, fps=30.0) as frames:
        for epoch in range(5):
            decoded, clips = decoded_for(frames, epoch=epoch)
            assert decoded == max(clip[-1] for clip in clips) + 1


def test_pictures_are_counted_from_the_opening_of_the_file(video):
    with open_video(video) as frames:
        assert frames.decoded == 0
        frames.read(np.array([3]))
        assert frames.decoded == 4
        frames.read(np.array([5, 3]))
        frames.close()
        assert frames.decoded == 0

"""Small videos of known brightness, written by PyAV."""

import av
import numpy as np
import pytest

FPS = 25


def write_video(path, *, codec="libx264", seconds=4.0, size=(96, 64), pixel_format="yuv420p"):
    """Picture n is grey of brightness 2 n (from 20 on), so that a picture tells its time."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        for number in range(round(seconds * FPS)):
            pixels = np.full((size[1], size[0], 3), min(20 + 2 * number, 255), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def make_video():
    return write_video

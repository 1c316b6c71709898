"""Small real videos in which every frame shows its own number.

The number is written in ten blocks, one per bit: a bit is the brighter half, upper for 1 and
lower for 0, so that it survives any codec, any scaling and any shift of brightness.
"""

from fractions import Fraction

import av
import numpy as np
import pytest

BITS = 10


def _picture(number, size):
    height, width = size
    picture = np.full((height, width, 3), 128, np.uint8)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        upper, lower = (235, 20) if number >> bit & 1 else (20, 235)
        picture[: height // 2, edges[bit] : edges[bit + 1]] = upper
        picture[height // 2 :, edges[bit] : edges[bit + 1]] = lower
    return picture


@pytest.fixture(scope="session")
def number_of():
    """A function from a picture, at any size, to the number that it shows."""

    def read(picture):
        height, width = picture.shape[:2]
        edges = np.linspace(0, width, BITS + 1)
        grey = picture.astype(float).mean(-1)
        number = 0
        for bit in range(BITS):
            margin = 0.25 * (edges[bit + 1] - edges[bit])
            block = slice(int(edges[bit] + margin), int(np.ceil(edges[bit + 1] - margin)))
            upper = grey[height // 8 : height // 2 - height // 8, block].mean()
            lower = grey[height // 2 + height // 8 : height - height // 8, block].mean()
            number |= int(upper > lower) << bit
        return number

    return read


@pytest.fixture(scope="session")
def numbers_of(number_of):
    """A function from pictures to the numbers that they show."""
    return lambda pictures: [number_of(picture) for picture in pictures]


@pytest.fixture(scope="session")
def write_video():
    """A function that writes a video of `frames` numbered frames and gives its path."""

    def write(
        path,
        *,
        frames=60,
        rate=30,
        times=None,
        tick=None,
        codec="libx264",
        size=(64, 160),
        pixels="yuv420p",
        options=(),
        key_every=12,
        draw=_picture,
    ):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                codec, rate=rate, options={"g": str(key_every), **dict(options)}
            )
            stream.height, stream.width = size
            stream.pix_fmt = pixels
            stream.codec_context.thread_count = 1
            base = Fraction(1, 1) / Fraction(rate) if tick is None else tick
            if tick is not None:
                stream.codec_context.time_base = tick
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(draw(number, size), format="rgb24")
                frame.pts = number if times is None else times[number]
                frame.time_base = base
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def copy_packets():
    """A function that writes the packets of a video anew, times moved, without decoding."""

    def copy(source, path, *, start=0, change=None, **options):
        with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
            stream = old.streams.video[0]
            written = new.add_stream_from_template(stream)
            packets = [packet for packet in old.demux(stream) if packet.size]
            for packet in packets[start:]:
                if change is not None:
                    change(packet)
                packet.stream = written
                new.mux(packet)
        return path

    return copy


@pytest.fixture(scope="session")
def cut_at(copy_packets):
    """A function that cuts the front off a video without re-encoding, as editors do.

    The copy begins with the key frame ahead of the cut and says, in its edit list, that frames
    ahead of the cut are not shown.
    """

    def cut(source, path, *, frame):
        with av.open(str(source)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        begin = sorted(packet.pts for packet in packets)[frame]
        start = max(
            place
            for place, packet in enumerate(packets)
            if packet.is_keyframe and packet.pts <= begin
        )

        def shift(packet):
            packet.pts -= begin
            packet.dts -= begin

        return copy_packets(source, path, start=start, change=shift)

    return cut


@pytest.fixture(scope="session")
def overwrite():
    """A function that writes other bytes over the beginning of a frame, by the order shown."""

    def over(path, number, content):
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
            offset = sorted(packets, key=lambda packet: packet.pts)[number].pos
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return over

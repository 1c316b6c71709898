"""A copy of a video with what was found in it drawn over the pictures.

In the corner are the names and scores of what goes on, surest first; at the lower edge a strip
shows the whole video, a colour for each class, and where we are.  The copy is an mp4 without
sound that every browser plays.

Text needs Pillow: `pip install 'untrimmed[overlay]'`.

Shapes: H W pixels, h w of what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Int64, UInt8

from untrimmed.core.detections import Detections
from untrimmed.core.errors import UserError
from untrimmed.core.files import written_whole
from untrimmed.report.palette import DARK
from untrimmed.sources.frames import Frames

LONGEST_SIDE = 1280
MOST_NAMES = 4
"""Names that are shown at a time."""

# Looked for on this machine, in this order; Pillow's own has little more than English letters.
_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf", "Arial.ttf")

_SHADE = 0.35  # what is left of the picture's brightness behind text and strip
_MOST_TICKS = 90_000  # per second, of the copy's clock: what mp4 players expect


def overlay_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the copy of pictures of a size: even, `LONGEST_SIDE` at most."""
    scale = min(1.0, LONGEST_SIDE / max(size))
    height, width = (max(2, 2 * round(side * scale / 2)) for side in size)
    return height, width


def write_overlay(
    frames: Frames, detections: Detections, classes: Sequence[str], path: Path
) -> None:
    """Write the copy; memory does not grow with the video.

    Args:
        frames: at the rate and size of the copy; sides are even.
        detections: of the video; choose them first, all are drawn.
        classes: names by label.

    Raises:
        UserError: if Pillow is not installed.
        MediaError: if a frame cannot be decoded.
    """
    overlay = _Overlay(detections.by_score(), classes, frames)
    rate = Fraction(frames.fps).limit_denominator(1001)
    with (
        written_whole(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as copy,
    ):
        stream = copy.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        stream.height, stream.width = frames.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _MOST_TICKS)
        for number in range(frames.count):
            pixels = frames.read(np.array([number]))[0]
            overlay.draw(pixels, time_s=number / frames.fps)
            picture = VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = round(number / frames.fps * _MOST_TICKS)
            picture.time_base = Fraction(1, _MOST_TICKS)
            copy.mux(stream.encode(picture))
        copy.mux(stream.encode(None))


class _Overlay:
    """What is drawn over pictures of one video; texts are drawn once."""

    def __init__(self, detections: Detections, classes: Sequence[str], frames: Frames) -> None:
        height, width = frames.size
        self._found = detections
        self._classes = classes
        self._duration_s = frames.duration_s
        self._unit = max(8, height // 24)  # of text and strip, in pixels
        self._font = _font(self._unit)
        self._texts: dict[int, UInt8[np.ndarray, "h w"]] = {}
        strip = _strip(detections, duration_s=frames.duration_s, width=width)
        self._strip = np.repeat(strip[None], max(3, self._unit // 3), 0)  # (h, W, 3)

    def draw(self, pixels: UInt8[np.ndarray, "H W 3"], *, time_s: float) -> None:
        """Draw over a picture, in place."""
        starts_s, ends_s = self._found.segments_s.T
        going_on = np.flatnonzero((starts_s <= time_s) & (time_s < ends_s))[:MOST_NAMES]
        margin = self._unit // 2
        self._texts = {
            number: self._texts[number] if number in self._texts else self._text(number)
            for number in going_on.tolist()
        }
        for row, (number, text) in enumerate(self._texts.items()):
            top = margin + row * (len(text) + margin)
            self._draw_name(pixels, text, label=int(self._found.labels[number]), top=top)

        height = len(self._strip)
        lower = pixels[-height:]
        empty = self._strip.max(2, keepdims=True) == 0
        lower[:] = np.where(empty, (lower * _SHADE).astype(np.uint8), self._strip)
        at = round(time_s / self._duration_s * (pixels.shape[1] - 1))
        pixels[-2 * height :, max(0, at - 1) : at + 1] = 255

    def _draw_name(
        self,
        pixels: UInt8[np.ndarray, "H W 3"],
        text: UInt8[np.ndarray, "h w"],
        *,
        label: int,
        top: int,
    ) -> None:
        left, unit = self._unit // 2, self._unit
        area = pixels[top : top + len(text), left : left + unit + text.shape[1]]
        area[:] = (area * _SHADE).astype(np.uint8)
        area[:, : unit // 3] = _rgb(label)
        behind = area[:, unit // 2 : unit // 2 + text.shape[1]]
        share = text[: len(behind), : behind.shape[1], None] / 255.0
        behind[:] = (behind * (1 - share) + 255 * share).astype(np.uint8)

    def _text(self, number: int) -> UInt8[np.ndarray, "h w"]:
        """How white each pixel of the name and score of a detection is."""
        from PIL import Image, ImageDraw

        name = self._classes[int(self._found.labels[number])]
        text = f"{name} {self._found.scores[number]:.2f}"
        size = int(self._font.getlength(text)) + 2, round(1.4 * self._unit)
        image = Image.new("L", size)
        ImageDraw.Draw(image).text((0, 0.7 * self._unit), text, 255, self._font, anchor="lm")
        return np.asarray(image)


def _strip(detections: Detections, *, duration_s: float, width: int) -> UInt8[np.ndarray, "W 3"]:
    """The colour of each column, of the surest detection there; black where nothing is."""
    strip = np.zeros((width, 3), np.uint8)
    columns: Int64[np.ndarray, "N 2"] = np.round(detections.segments_s / duration_s * width).astype(
        np.int64
    )
    for (first, last), label in zip(columns[::-1], detections.labels[::-1], strict=True):
        strip[first : max(last, first + 1)] = _rgb(int(label))
    return strip


def _rgb(label: int) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(DARK[label % len(DARK)].removeprefix("#"))
    return red, green, blue


def _font(size: int) -> Any:
    try:
        from PIL import ImageFont
    except ImportError as error:
        raise UserError(
            "text over pictures needs Pillow, which is not installed:"
            " pip install 'untrimmed[overlay]'"
        ) from error
    for name in _FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)

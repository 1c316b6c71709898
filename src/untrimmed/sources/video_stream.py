"""Opening the video of a file, or saying why there is none.

What is in it is read by `sources.video_index` and decoded by `sources.decoder`.
"""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from untrimmed.core.errors import MediaError

# Formats that FFmpeg shows as video, a text as the screen of a terminal.
_NOT_VIDEO = {"image2": "a picture", "tty": "a text"}


def open_stream(path: Path, *, threads: int = 1) -> tuple[InputContainer, VideoStream]:
    """Open the first video stream of a file, to be closed with its container.

    Args:
        threads: that decode; 0 for one per core.

    Raises:
        MediaError: if the file is missing, a folder, empty, not readable, no media file, or has
            no video: pictures, texts and the covers of albums are none.
    """
    path = Path(path)
    if not path.exists():
        raise MediaError("there is no such file; check the path", file=path)
    if path.is_dir():
        raise MediaError("this is a folder; give the video files in it", file=path)
    if path.stat().st_size == 0:
        raise MediaError("the file is empty (0 bytes); copy or download it again", file=path)
    try:
        # Absolute, for FFmpeg reads "a:b.mp4" as a protocol; tags may be in any encoding.
        container = av.open(str(path.absolute()), "r", metadata_errors="replace")
    except av.FFmpegError as error:
        raise MediaError(_why_not_opened(path, error), file=path) from error
    form = container.format.name
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if videos and form not in _NOT_VIDEO and not form.endswith("_pipe"):
        if videos[0].codec_context is None:
            container.close()
            raise MediaError(
                "the file does not say how its frames are coded, or in a way that cannot be read;"
                " it may be cut off: copy it again, or convert it to H.264",
                file=path,
            )
        videos[0].thread_type = "NONE" if threads == 1 else "AUTO"
        videos[0].codec_context.thread_count = threads
        return container, videos[0]
    kinds = sorted({stream.type for stream in container.streams} - {"video"})
    container.close()
    if videos:
        kind = _NOT_VIDEO.get(form, "a picture")
        raise MediaError(f"this is {kind}, not a video; give a video file", file=path)
    found = " and ".join(kinds) or "nothing"
    raise MediaError(f"this has no video, only {found}; give a file with a video stream", file=path)


def _why_not_opened(path: Path, error: av.FFmpegError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return (
            "the file is cut off: the table of its frames (moov), which may stand at the end, is"
            " missing; copy or download it again, or finish the recording"
        )
    return "this is not a media file that can be read, or it is damaged; give a video file"

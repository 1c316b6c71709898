"""Encode a video once, clip by clip, however long it is.

At inference every clip is fresh and clips are encoded one by one, so a video's features do not
depend on the windows that are laid over it later.

Shapes: C channels, L frames of a clip, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.core.clips import ClipGrid
from untrimmed.data.augment import centre_crop
from untrimmed.data.dataset import read_clip
from untrimmed.nn.ops.precision import autocast
from untrimmed.nn.protocols import Encoder
from untrimmed.sources.frames import Frames


@torch.inference_mode()
def encode_video(
    encoder: Encoder,
    frames: Frames,
    *,
    clip_frames: int,
    crop: tuple[int, int] | None = None,
    clips_at_once: int = 4,
    first_clip: int = 0,
    device: torch.device | None = None,
    bf16: bool = False,
) -> Iterator[Float[Tensor, "C n"]]:
    """Features of a video from one of its clips on, some cells at a time, float32 on `device`.

    From the first clip on, the cells of all pieces together are those of the video: its frames by
    the encoder's stride, rounded up.  The caller sets the encoder to evaluation; memory does not
    grow with the video.

    Args:
        crop: height and width of the middle that the encoder sees; all of it if not given.
        clips_at_once: clips in one call of the encoder.
        first_clip: of the video's clips, from 0; behind the last nothing comes.
        bf16: compute in bfloat16, see `nn.ops.precision`.

    Raises:
        MediaError: if a frame cannot be decoded.
    """
    stride = encoder.stride
    cells = -(-frames.count // stride)
    per_clip = clip_frames // stride
    clips = -(-cells // per_clip)
    grid = ClipGrid(
        fps=frames.fps, clip_frames=clip_frames, stride=stride, first_frame=0, clips=clips
    )
    device = device or torch.device("cpu")
    for first in range(first_clip, clips, clips_at_once):
        numbers = range(first, min(first + clips_at_once, clips))
        pixels = torch.from_numpy(np.stack([read_clip(frames, grid.frames(n)) for n in numbers]))
        pixels = pixels.to(device, non_blocking=True)  # (n, 3, L, H, W)
        if crop is not None:
            pixels = centre_crop(pixels, crop)
        with autocast(device, bf16=bf16):
            features = encoder(pixels)  # (n, C, K)
        joined = features.float().transpose(0, 1).flatten(1)  # (C, nK)
        yield joined[:, : cells - first * per_clip]

"""Names of the weights of `nn.encoders.video_swin` in public files.

These are of the authors (Liu et al., Video Swin Transformer, CVPR 2022) or of torchvision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from untrimmed.nn.names.unknown import UnknownNamesError


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Public weights under the names of a `VideoSwin` with a `patch` stem.

    Understands the layout of the authors (mmaction; also under `backbone.`, as in TALLFormer) and
    that of torchvision's `swin3d`.  Classifiers and buffers that follow from the settings are left
    out.

    Raises:
        UnknownNamesError: if there are other entries.
    """
    official = {key: _official(key.removeprefix("backbone.")) for key in state}
    ours = {key: _ours(name) for key, name in official.items() if not _LEFT_OUT.search(name)}
    unknown = [key for key, name in ours.items() if name is None]
    if unknown:
        raise UnknownNamesError(unknown, of="a Video Swin Transformer")
    return {name: state[key] for key, name in ours.items() if name}


def _official(key: str) -> str:
    """A name of torchvision as the authors call it; others as they are.

    There, `features` holds the blocks of the stages with their mergings in between.
    """
    if found := re.fullmatch(r"features\.(\d+)\.(.*)", key):
        stage, is_merging = divmod(int(found[1]), 2)
        key = f"layers.{stage}.{'downsample' if is_merging else 'blocks'}.{found[2]}"
    return key.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")


def _ours(official: str) -> str | None:
    """Our name for the authors', None if there is none."""
    module, dot, leaf = official.rpartition(".")
    if leaf not in ("weight", "bias"):
        module, dot, leaf = official, "", ""
    number = re.compile(r"(?<=\.)\d+(?=\.)")
    ours = _NAMES.get(number.sub("#", module))
    if ours is None:
        return None
    return ours.replace("#", "{}").format(*number.findall(module)) + dot + leaf


_NAMES = {
    "patch_embed.proj": "stem.projection",
    "patch_embed.norm": "stem.norm",
    "layers.#.blocks.#.norm1": "stages.#.blocks.#.attention_norm",
    "layers.#.blocks.#.attn.relative_position_bias_table": "stages.#.blocks.#.attention.bias_table",
    "layers.#.blocks.#.attn.qkv": "stages.#.blocks.#.attention.qkv",
    "layers.#.blocks.#.attn.proj": "stages.#.blocks.#.attention.projection",
    "layers.#.blocks.#.norm2": "stages.#.blocks.#.mlp_norm",
    "layers.#.blocks.#.mlp.fc1": "stages.#.blocks.#.mlp.0",
    "layers.#.blocks.#.mlp.fc2": "stages.#.blocks.#.mlp.2",
    "layers.#.downsample.reduction": "stages.#.merge.reduction",
    "layers.#.downsample.norm": "stages.#.merge.norm",
    "norm": "norm",
}
"""The authors' names and ours; # is a number."""

_LEFT_OUT = re.compile(
    r"^cls_head\.|^head\.(weight|bias)$|\.(relative_position_index|dummy_tensor)$"
)

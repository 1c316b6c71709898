"""Names of MobileNetV2's weights in other people's files, and their norms folded away.

The network is in `encoders.mobilenet_tsm`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from untrimmed.nn.names.unknown import UnknownNamesError


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Public weights under the names of a `MobileNetTSM`, with norms folded into convolutions.

    Understands the layouts of torchvision's `mobilenet_v2`, of mmaction's TSM (also under
    `backbone.`), and arrays numbered in the order of the layers, as they stand in TensorFlow's
    files: `000_CONV_2D_w` (out, height, width, in), `000_CONV_2D_b`.  The classifier is left out.

    Raises:
        UnknownNamesError: if there are other entries.
        ValueError: if a norm is not whole, or not of the size of its convolution.
    """
    convs: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for key, value in state.items():
        if _LEFT_OUT.search(key):
            continue
        place = _numbered(key) or _torchvision(key) or _mmaction(key)
        if place is None:
            unknown.append(key)
        else:
            convs.setdefault(place[0], {})[place[1]] = value
    if unknown:
        raise UnknownNamesError(unknown, of="a MobileNetV2")
    return {
        f"{name}.{leaf}": value
        for name, parts in convs.items()
        for leaf, value in _folded(name, parts)
    }


_LEFT_OUT = re.compile(r"^(classifier|cls_head)\.|\.num_batches_tracked$|^052_CONV_2D_[wb]$")
_BATCH_EPS = 1e-5
_STATISTICS = ("running_mean", "running_var")
_LAYERS = ("expand", "depthwise", "project")
_BLOCKS = (1, 2, 3, 4, 3, 3, 1)
"""Of every stage; Sandler et al., MobileNetV2, CVPR 2018, table 2."""


def _folded(name: str, parts: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Weight and bias of a convolution from those of it and the norm behind it."""
    if parts.keys() <= {"array", "bias"}:
        if "array" in parts:
            depthwise = name.endswith("depthwise")
            yield "weight", parts["array"].permute(*((3, 0, 1, 2) if depthwise else (0, 3, 1, 2)))
        if "bias" in parts:
            yield "bias", parts["bias"]
        return
    wanted = {"weight", *(f"norm.{part}" for part in ("weight", "bias", *_STATISTICS))}
    if parts.keys() != wanted:
        raise ValueError(f"{name}: wanted {sorted(wanted)}, got {sorted(parts)}")
    sizes = {part: tuple(value.shape[:1]) for part, value in parts.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{name}: wanted as many channels in all, got {sizes}")
    scale = parts["norm.weight"] / (parts["norm.running_var"] + _BATCH_EPS).sqrt()
    yield "weight", parts["weight"] * scale[:, None, None, None]
    yield "bias", parts["norm.bias"] - parts["norm.running_mean"] * scale


def _block_layer(block: int, layer: int) -> str | None:
    """Our name of a convolution of a block; the first block has none that expands."""
    layers = _LAYERS[1:] if block == 0 else _LAYERS
    known = block < sum(_BLOCKS) and layer < len(layers)
    return f"blocks.{block}.{layers[layer]}" if known else None


def _numbered(key: str) -> tuple[str, str] | None:
    """Convolution and part of an entry by its number."""
    found = re.fullmatch(r"(\d+)_(?:DEPTHWISE_)?CONV_2D_([wb])", key)
    if found is None:
        return None
    number = int(found[1])
    block, layer = (0, number - 1) if number < 3 else (number // 3, number % 3)
    name = {0: "stem", 51: "last"}.get(number) or _block_layer(block, layer)
    return (name, {"w": "array", "b": "bias"}[found[2]]) if name else None


def _torchvision(key: str) -> tuple[str, str] | None:
    match key.split("."):
        case ["features", ("0" | "18") as end, ("0" | "1") as part, leaf]:
            name: str | None = "stem" if end == "0" else "last"
            is_norm = part == "1"
        case ["features", number, "conv", layer, ("0" | "1") as part, leaf]:
            name, is_norm = _block_layer(int(number) - 1, int(layer)), part == "1"
        case ["features", number, "conv", layer, leaf]:
            last = 1 if number == "1" else 2  # the projection stands beside its norm
            name, is_norm = _block_layer(int(number) - 1, last), int(layer) == last + 1
        case _:
            return None
    return (name, f"norm.{leaf}" if is_norm else leaf) if name else None


def _mmaction(key: str) -> tuple[str, str] | None:
    # In shifted blocks the first convolution is wrapped, in `net`.
    match key.removeprefix("backbone.").replace(".net.", ".").split("."):
        case [("conv1" | "conv2") as end, ("conv" | "bn") as part, leaf]:
            name: str | None = "stem" if end == "conv1" else "last"
        case [stage, block, "conv", layer, ("conv" | "bn") as part, leaf] if re.fullmatch(
            r"layer[1-7]", stage
        ):
            before = sum(_BLOCKS[: int(stage[-1]) - 1])
            name = _block_layer(before + int(block), int(layer))
        case _:
            return None
    return (name, leaf if part == "conv" else f"norm.{leaf}") if name else None

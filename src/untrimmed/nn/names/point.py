"""Names of the weights of `nn.heads.point` in the code of its authors, ActionFormer's."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights of this head under the names they have here.

    The running mean of `PointHead.loss` is not among them: they do not save it.

    Args:
        state: by the authors' keys, with their `cls_head.` and `reg_head.`.

    Raises:
        ValueError: if a key is none of theirs.
    """
    renamed = {}
    for key, tensor in state.items():
        match key.split("."):
            case ["cls_head" | "reg_head" as side, "head", number, "conv", name]:
                renamed[f"{_OURS[side]}.convs.{number}.{name}"] = tensor
            case ["cls_head" | "reg_head" as side, "norm", number, name]:
                renamed[f"{_OURS[side]}.norms.{number}.{name}"] = tensor.flatten()
            case ["cls_head", "cls_head", "conv", name]:
                renamed[f"logits.{name}"] = tensor
            case ["reg_head", "offset_head", "conv", name]:
                renamed[f"distances.{name}"] = tensor
            case ["reg_head", "scale", level, "scale"]:
                renamed[f"scales.{level}"] = tensor
            case _:
                raise ValueError(f"{key} is not a weight of the authors' heads")
    return renamed


_OURS = {"cls_head": "score_tower", "reg_head": "distance_tower"}

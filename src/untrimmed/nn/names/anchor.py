"""Names of the weights of `nn.heads.anchor` in the code of its authors.

Their files are of DaoTAD (Wang et al., 2021) and of TALLFormer on THUMOS14 (Cheng & Bertasius,
ECCV 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights of this head under the names they have here.

    Args:
        state: by the authors' keys without their `head.`.

    Raises:
        ValueError: if a key is none of theirs.
    """
    renamed = {}
    for key, tensor in state.items():
        match key.split("."):
            case ["cls_convs" | "reg_convs" as tower, number, "conv" | "bn" as part, name]:
                renamed[f"{_OURS[tower]}.{_OURS[part]}.{number}.{name}"] = tensor
            case ["retina_cls" | "retina_reg" as output, name]:
                renamed[f"{_OURS[output]}.{name}"] = tensor
            case _:
                raise ValueError(f"{key} is not a weight of the authors' anchor head")
    return renamed


_OURS = {
    "cls_convs": "score_tower",
    "reg_convs": "delta_tower",
    "conv": "convs",
    "bn": "norms",
    "retina_cls": "logits",
    "retina_reg": "deltas",
}

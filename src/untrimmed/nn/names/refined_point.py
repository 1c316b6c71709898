"""Names of the weights of `nn.heads.refined_point` in the code of its authors.

Their files are of AFSD (Lin et al., CVPR 2021) and of TALLFormer on ActivityNet (Cheng & Bertasius,
ECCV 2022).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights of this head under the names they have here.

    Args:
        state: by the authors' keys, of AFSD or of TALLFormer on ActivityNet, without their
            `coarse_pyramid_detection.` and without pyramid and classifier of videos.

    Raises:
        ValueError: if a key is none of theirs.
    """
    renamed = {}
    for key, tensor in state.items():
        name = key
        for theirs, ours in _NAMES:
            name = re.sub(theirs, ours, name)
        if name == key:
            raise ValueError(f"{key} is not a weight of the authors' refined head")
        renamed[name] = tensor
    return renamed


_NAMES = (
    (r"^loc_heads\.(\d+)\.scale$", r"scales.\1"),
    (r"^loc_tower\.(\d+)\.", r"distance_tower.\1."),
    (r"^conf_tower\.(\d+)\.", r"score_tower.\1."),
    (r"^loc_head\.conv1d\.", "distances."),
    (r"^conf_head\.conv1d\.", "logits."),
    (r"^loc_proposal_branch\.", "distance_branch."),
    (r"^conf_proposal_branch\.", "score_branch."),
    (r"^prop_loc_head\.conv1d\.", "offsets."),
    (r"^prop_conf_head\.conv1d\.", "refined_logits."),
    (r"^center_head\.conv1d\.", "quality."),
    (r"^deconv\.0\.conv1d\.", "fine.0.conv."),
    (r"^deconv\.1\.", "fine.0.norm."),
    (r"^deconv\.3\.conv1d\.", "fine.1.conv."),
    (r"^deconv\.4\.", "fine.1.norm."),
    (r"^deconv\.6\.conv1d\.", "fine.2.conv."),
    (r"^deconv\.7\.", "fine.2.norm."),
    (r"_branch\.cur_point_conv\.", "_branch.position."),
    (r"_branch\.lr_conv\.", "_branch.boundaries."),
    (r"_branch\.roi_conv\.", "_branch.region."),
    (r"_branch\.proposal_conv\.", "_branch.join."),
    (r"(_tower\.\d+|_branch\.\w+)\.0\.conv1d\.", r"\1.conv."),
    (r"(_tower\.\d+|_branch\.\w+)\.1\.(weight|bias)$", r"\1.norm.\2"),
)

"""Settings of tiny encoders of `transformers`, and a mark for tests that build them."""

import importlib.util

import pytest

L, SIZE = 8, 32
SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "patch_size": 16,
    "image_size": SIZE,
    "num_frames": L,
}
DECODER = {
    "decoder_hidden_size": 12,
    "decoder_num_attention_heads": 2,
    "decoder_num_hidden_layers": 1,
    "decoder_intermediate_size": 20,
}
JEPA = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "patch_size": 16,
    "crop_size": SIZE,
    "pred_hidden_size": 12,
    "pred_num_attention_heads": 2,
    "pred_num_hidden_layers": 1,
}
KINDS = {
    "videomae": {**SMALL, **DECODER},
    "vjepa2": JEPA,
    "vivit": {**{k: v for k, v in SMALL.items() if k != "patch_size"}, "tubelet_size": [4, 16, 16]},
    "timesformer": SMALL,
}
STRIDES = {"videomae": 2, "vjepa2": 2, "vivit": 4, "timesformer": 1}

installed = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
every_kind = pytest.mark.parametrize("kind", KINDS)

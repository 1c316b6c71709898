"""Files as `transformers` saves them, into our encoders; and training that starts from one."""

import json

import pytest
import torch

from tests.nn.tiny_transformers import KINDS, SIZE, L, every_kind, installed
from untrimmed import api
from untrimmed.nn.encoders.transformers_video import Config
from untrimmed.runs.encoder_weights import load_public

PUBLISHED = {
    "VideoMAEModel": "videomae",
    "VideoMAEForVideoClassification": "videomae",
    "VideoMAEForPreTraining": "videomae",
    "VJEPA2Model": "vjepa2",
    "VJEPA2ForVideoClassification": "vjepa2",
    "VivitModel": "vivit",
    "VivitForVideoClassification": "vivit",
    "TimesformerModel": "timesformer",
    "TimesformerForVideoClassification": "timesformer",
}


def saved(folder, name, settings):
    """A model of this class with random numbers everywhere, and a folder that it was saved to."""
    import transformers

    torch.manual_seed(2)
    config = transformers.AutoConfig.for_model(PUBLISHED[name], **settings)
    model = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(folder / name)
    return model, folder / name


@installed
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_saved_model_gives_its_own_features_here(name, tmp_path):
    kind = PUBLISHED[name]
    model, folder = saved(tmp_path, name, KINDS[kind])
    settings = json.loads((folder / "config.json").read_text())
    encoder = Config(kind=kind, settings=settings).build().eval()
    load_public(encoder, folder / "model.safetensors")
    other = Config(kind=kind, settings=settings).build().eval()
    other.model = model.base_model
    clips = torch.randint(0, 256, (2, 3, L, SIZE, SIZE), dtype=torch.uint8)
    assert torch.equal(encoder(clips), other(clips))


@installed
@every_kind
def test_a_detector_trains_from_a_saved_model(kind, data):
    name = next(name for name, of in PUBLISHED.items() if of == kind)
    sizes = {"crop_size": 16} if kind == "vjepa2" else {"image_size": 16}
    settings = {**KINDS[kind], **sizes}
    _, folder = saved(data, name, settings)
    encoder = {"name": "transformers_video", "kind": kind, "settings": settings}
    trained = api.train(
        data / "recipe.yaml",
        data / "run",
        settings=[
            f"model.encoder={json.dumps(encoder)}",
            f"encoder_weights.path={folder / 'model.safetensors'}",
            "data.augment.crop=[16, 16]",
            "pretrain=null",
            "train={batch: 2, epochs: 1}",
        ],
    )
    assert trained.best_map is not None
    assert not trained.failed

"""TALLFormer as a whole, from pixels and memory to the head, against the authors' code."""

import re

import numpy as np
import pytest
import torch

from untrimmed.models import tallformer
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.tensors import Clips, Padded

WINDOW = (4, 4, 4)
KERNELS = (7, 7, 5, 5)
PYRAMID_HEADS = 4
FROZEN_STAGES = 2


def check(actual, wanted, *, rtol=1e-4, of_max=2e-5):
    actual = np.asarray(actual.detach())
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=of_max * np.abs(wanted).max())


def below(prefix, arrays):
    """Tensors whose keys begin so, by the rest of their keys."""
    return {
        key.removeprefix(prefix): torch.from_numpy(array)
        for key, array in arrays.items()
        if key.startswith(prefix)
    }


def ours(key):
    """The name that one of the authors' weights has here."""
    (name,) = tallformer.rename({key: torch.empty(0)})
    return name


@pytest.fixture
def arrays(golden):
    return golden("tallformer/thumos_detector.npz")


def config_of(weights):
    """The sizes that the weights have; nothing is random, and pixels come normalised."""
    block = re.compile(r"backbone\.layers\.(\d+)\.blocks\.\d+\.attn\.relative_position_bias_table")
    tables = {key: weights[key] for key in weights if block.fullmatch(key)}
    stages = [int(block.fullmatch(key)[1]) for key in tables]
    heads = {stage: table.shape[1] for stage, table in zip(stages, tables.values(), strict=True)}
    patches = weights["backbone.patch_embed.proj.weight"]
    encoder = video_swin.Config(
        size=None,
        embed=len(patches),
        depths=tuple(stages.count(stage) for stage in sorted(heads)),
        heads=tuple(heads[stage] for stage in sorted(heads)),
        window=WINDOW,
        patch=tuple(patches.shape[2:]),
        drop_path=0.0,
        frozen_stages=FROZEN_STAGES,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    table = weights["neck.1.encoder.layers.0.attn.relative_position_bias_table"]
    return tallformer.Config(
        encoder=encoder,
        head=anchor.Config(
            width=len(weights["head.cls_convs.0.bn.bias"]),
            scales=len(weights["head.retina_reg.bias"]) // 2,
        ),
        width=len(weights["neck.0.conv1.bias"]),
        consistency_heads=table.shape[1],
        consistency_drop_path=0.0,
        pyramid_heads=PYRAMID_HEADS,
        pyramid_kernels=KERNELS,
        pyramid_dropout=0.0,
        fpn_width=len(weights["neck.3.fpn_convs.0.bn.bias"]),
    )


@pytest.fixture
def detector(arrays):
    weights = below("w/", arrays)
    config = config_of(weights)
    classes = len(weights["head.retina_cls.bias"]) // config.head.scales
    table = weights["neck.1.encoder.layers.0.attn.relative_position_bias_table"]
    detector = config.build(classes, cells=4 * (len(table) + 1) // 2)
    kept = detector.load_state_dict(tallformer.rename(weights), strict=False)
    assert kept.unexpected_keys == []
    assert all(key.endswith("num_batches_tracked") for key in kept.missing_keys)
    return detector


def window(arrays, places):
    """The clips at some places of the videos; the authors' memory at those that they dropped."""
    kept, B, C, K = arrays["bp_features"].shape
    N = kept + len(arrays["drop"])
    memory = torch.zeros(B, C, N, K)
    memory[:, :, arrays["drop"]] = torch.from_numpy(arrays["memory"]).permute(1, 2, 0, 3)
    video = torch.from_numpy(arrays["video"]).float()
    clips = video.unflatten(2, (N, -1)).transpose(1, 2)  # (B, N, 3, L, H, W)
    place = torch.as_tensor(places).expand(B, -1)
    return Clips(clips[:, places], place, Padded.whole(memory.flatten(2)))


def check_raw(raw, wanted):
    for level, (logits, deltas) in enumerate(zip(raw.logits, raw.deltas, strict=True)):
        check(logits, wanted[f"cls{level}"].numpy())
        check(deltas, wanted[f"reg{level}"].numpy())


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_sampled_clips_and_memory_give_what_the_authors_give(detector, arrays, mode):
    detector.train(mode == "train")
    output = detector(window(arrays, arrays["keep"]))
    check(output.fresh.transpose(0, 1), arrays["bp_features"])
    check_raw(output.raw, below(f"{mode}/", arrays))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_gradients_are_the_authors(detector, arrays, mode):
    detector.train(mode == "train")
    raw = detector(window(arrays, arrays["keep"])).raw
    upstream = below("gout/", arrays)
    loss = torch.zeros(())
    for level, (logits, deltas) in enumerate(zip(raw.logits, raw.deltas, strict=True)):
        loss = loss + (logits * upstream[f"cls{level}"]).sum()
        loss = loss + (deltas * upstream[f"reg{level}"]).sum()
    loss.backward()
    gradients = below(f"{mode}/grad/", arrays)
    assert any(key.startswith("backbone.") for key in gradients)
    for key, wanted in gradients.items():
        gradient = detector.get_parameter(ours(key)).grad
        check(gradient, wanted.numpy(), rtol=1e-3, of_max=1e-4)


def test_inference_encodes_every_clip(detector, arrays):
    # These numbers were taken after the training step, which had moved the running statistics.
    detector.train()(window(arrays, arrays["keep"]))
    everything = list(range(len(arrays["keep"]) + len(arrays["drop"])))
    check_raw(detector.eval()(window(arrays, everything)).raw, below("full/", arrays))


def test_the_order_in_which_clips_come_does_not_matter(detector, arrays):
    raw = detector.eval()(window(arrays, arrays["keep"][::-1].copy())).raw
    check_raw(raw, below("eval/", arrays))


def test_clips_encoded_one_by_one_give_the_same(detector, arrays):
    detector.clips_at_once = 1
    check_raw(detector.eval()(window(arrays, arrays["keep"])).raw, below("eval/", arrays))


def test_what_the_authors_freeze_is_frozen(detector, arrays):
    frozen = {name for name, weight in detector.named_parameters() if not weight.requires_grad}
    assert frozen == {ours(key) for key in arrays["frozen_params"].tolist()}

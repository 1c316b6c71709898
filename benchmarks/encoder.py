"""What the encoder of TALLFormer costs on the CPU, beside the official Video Swin Transformer.

    python -m benchmarks.encoder --reference DIR

DIR is a checkout of Video-Swin-Transformer, of which one file is run; neither mmcv nor timm is
needed.  Swin-T, one clip of 32 x 224 x 224, features of every second frame averaged over space;
ours has the weights of theirs, which are random.

`official` computes in float32, `official bf16` under autocast, `ours` in float32, and `ours bf16`
with weights in bf16.  Ours is given bytes, and its time contains that of normalising them; theirs
is given what comes of that.

Each system is a process of its own, and they take turns (`benchmarks.turns`).  Printed are medians:
of the seconds that passed, and that the processors spent; `faster` is the median of the seconds of
`official`, in float32, over those of the row in the same round, `as bf16` the same of `official
bf16`; `peak` is the most memory that the process had at once, `unlike` the Euclidean norm of the
difference from the features of `official`, over that of the features.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.turns import Run, Worker, serve, take_turns
from untrimmed.nn.encoders import video_swin

SYSTEMS = ("official", "official bf16", "ours", "ours bf16")
CLIP = (1, 3, 32, 224, 224)
BACKBONE = Path("mmaction", "models", "backbones", "swin_transformer.py")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time Video Swin on the CPU.")
    parser.add_argument("--reference", type=Path, required=True, help="checkout of the official")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", nargs=2, default=None, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker is not None:
        system, folder = chosen.worker
        serve(run_of(system, chosen.reference, Path(folder)))
        return
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        compare(chosen.reference, folder, rounds=chosen.rounds)
    print(f"load {os.getloadavg()[0]:.1f}")


def compare(checkout: Path, folder: str, *, rounds: int) -> None:
    """Time all systems in turns and print a row of each."""
    command = ["-m", "benchmarks.encoder", "--reference", str(checkout), "--worker"]
    workers = [Worker.start(system, [*command, system, folder]) for system in SYSTEMS]
    take_turns(workers, rounds=rounds)
    heads = ("passed s", "spent s", "faster", "as bf16", "peak MiB", "unlike")
    print(f"{'':13} " + " ".join(f"{head:>8}" for head in heads))
    for worker in workers:
        faster, as_bf16 = (worker.times_faster(other) for other in workers[:2])
        print(
            f"{worker.name:13} {median(worker.passed):8.3f} {median(worker.spent):8.3f}"
            f" {faster:8.2f} {as_bf16:8.2f} {worker.end():8.0f} {worker.result:>8}",
            flush=True,
        )


def run_of(system: str, checkout: Path, folder: Path) -> Run:
    """The encoding of a clip; `official` leaves its weights and features for the others."""
    torch.manual_seed(0)
    clip = torch.randint(256, CLIP, dtype=torch.uint8)
    bf16 = system.endswith("bf16")
    encode = theirs(checkout, folder) if system.startswith("official") else ours(folder, bf16=bf16)
    given = normalised(clip) if system.startswith("official") else clip

    @torch.inference_mode()
    def run() -> str:
        with torch.autocast("cpu", torch.bfloat16, enabled=system == "official bf16"):
            features = encode(given).float()
        if system == "official":
            torch.save(features, folder / "features.pt")
        wanted = torch.load(folder / "features.pt")
        return f"{float((features - wanted).norm() / wanted.norm()):.1e}"

    return run


def normalised(clip: Tensor) -> Tensor:
    config = video_swin.Config()
    mean, std = (torch.tensor(colours).view(3, 1, 1, 1) for colours in (config.mean, config.std))
    return (clip - mean) / std


def ours(folder: Path, *, bf16: bool) -> nn.Module:
    encoder = video_swin.Config(size="tiny").build().eval()
    encoder.load_state_dict(video_swin.rename(torch.load(folder / "weights.pt")))
    return encoder.to(torch.bfloat16) if bf16 else encoder


def theirs(checkout: Path, folder: Path) -> Any:
    """The official network; its weights are read from the folder, or written there."""
    net = official_module(checkout).SwinTransformer3D(
        patch_size=(2, 4, 4), embed_dim=96, window_size=(8, 7, 7), patch_norm=True
    )
    nn.Module.train(net, False)
    weights = folder / "weights.pt"
    if weights.exists():
        net.load_state_dict(torch.load(weights))
    else:
        net.init_weights()
        torch.save(net.state_dict(), weights)
    return lambda clip: net(clip).mean((3, 4))


def official_module(checkout: Path) -> ModuleType:
    """The file of the network, with the little that it asks of other packages in their place."""
    packages = {
        "timm.models.layers": {"DropPath": nn.Identity, "trunc_normal_": nn.init.trunc_normal_},
        "mmcv.runner": {"load_checkpoint": None},
        "mmaction.utils": {"get_root_logger": None},
        "mmaction.models.builder": {
            "BACKBONES": SimpleNamespace(register_module=lambda: lambda cls: cls)
        },
        "einops": {"rearrange": rearranged},
    }
    stand_ins: dict[str, ModuleType] = {}
    for name, contents in packages.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            parent = ".".join(parts[:end])
            stand_ins.setdefault(
                parent, module_from_spec(ModuleSpec(parent, None, is_package=True))
            )
        stand_ins[name].__dict__.update(contents)
    spec = spec_from_file_location("mmaction.models.backbones.swin", checkout / BACKBONE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with mock.patch.dict(sys.modules, stand_ins):
        spec.loader.exec_module(module)
    return module


def rearranged(x: Tensor, how: str) -> Tensor:
    """Axes in another order, such as "b c d -> b d c"."""
    before, after = (side.split() for side in how.split("->"))
    return x.permute([before.index(axis) for axis in after])


if __name__ == "__main__":
    main()

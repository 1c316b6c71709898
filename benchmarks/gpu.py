"""What TALLFormer costs on the GPU at hand, and whether it computes there what a CPU does.

    python benchmarks/gpu.py --out gpu.json
    python benchmarks/gpu.py --quick --device cpu     # the same at tiny sizes, to try this file

In this order: agreement with float64 on the CPU; peak memory and time of a training step in the
THUMOS14 setting of the paper (Cheng & Bertasius, ECCV 2022); inference; on demand a whole run.
Frames, features and weights are random: nothing is scored before the last part.  A measurement
that fails does not stop the others, but the exit status is then 1; to run out of memory is a
result.  TF32 is off.  The file is written anew after every part.

Shapes: B videos, M clips encoded now, T cells of a window.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product, repeat
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from untrimmed.core.files import written_whole
from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.sampling import clips_to_encode
from untrimmed.data.windows import WindowShape, window_at
from untrimmed.models import tallformer
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.nn.layers.window_block import Recompute
from untrimmed.nn.ops.nms import nms, non_maximum_weighting, soft_nms
from untrimmed.tensors import Clips, Padded, Targets
from untrimmed.train.clips import ClipLessons
from untrimmed.train.loop import fit
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for

CLASSES = 20
WARM_UP, REPEATS = 2, 5
TRAINING_SHARE = 0.8  # of the time; what is left is for inference
COLUMNS = {
    "agreement": "what where outputs losses gradient allowed result",
    "training": "r precision frozen recomputed clips gib simulated paper ms floor_ms result",
    "inference": "encoder precision at_once clips_per_s encoder_gib simulated"
    " window_ms floor_ms window_gib result",
    "run": "run average_map seconds result",
}

# To compare with, in GiB.  Simulated, before anything ran on a GPU, is the most that the tensors
# of a step take at once, on one GPU; workspaces and fragmentation come on top.
RATES = (0.15, 0.4, 1.0)
PAPER_GIB = (12, 29, "OOM at 48")  # table 5a: float32, nothing frozen, half blocks, 4 videos
SIMULATED_GIB = {  # by bf16, frozen stages and what is computed again; at each rate
    (False, None, "half_block"): (7.0, 17.6, 41.2),
    (True, None, "half_block"): (5.4, 13.6, 32.1),
    # From here on with a residual stream in bfloat16; autocast keeps it in float32.
    (True, None, "none"): (15.1, 41.5, 100.6),
    (True, None, "block"): (4.2, 9.5, 21.5),
    (True, 2, "none"): (9.4, 24.8, 59.8),
    (True, 2, "block"): (2.2, 4.2, 8.9),
}
# Swin-B alone, by bf16, then clips per call.
ENCODER_GIB = {True: {1: 0.64, 4: 1.0, 15: 2.4}, False: {1: 0.93, 4: 1.6, 15: 4.3}}
# Estimated for an H200 in bf16, nothing frozen: every kernel as fast as its bytes and operations.
FLOOR_STEP_MS = {"none": (50, 149, 372), "block": (67, 202, 505), "half_block": (67, 202, 505)}
FLOOR_CLIP_MS = {"tiny": 1.02, "small": 1.56, "base": 2.2}

Row = dict[str, Any]
Cases = Iterator[tuple[Row, Callable[[], Row]]]
"""Measurements not made yet: of what, and how."""


class Scale(NamedTuple):
    """How large everything is; the last of the encoders is the one that is trained."""

    encoders: dict[str, video_swin.Config]
    model: tallformer.Config
    shape: WindowShape
    pixels: int
    videos: int


PAPER = Scale(
    encoders={size: video_swin.Config(size=size) for size in ("tiny", "small", "base")},
    model=tallformer.Config(clips_at_once=None),
    shape=WindowShape(clip_frames=32, clips=15, stride=2),
    pixels=224,
    videos=4,
)
TOY_ENCODER = video_swin.Config(
    size=None, embed=12, depths=(1, 2, 1), heads=(1, 2, 3), window=(2, 3, 3)
)
TOY = Scale(
    encoders={"toy": TOY_ENCODER},
    model=tallformer.Config(  # draws nothing at random in training; logits start around 0
        head=anchor.Config(width=16, stacked=1, prior=0.5),
        width=32,
        consistency_drop_path=0.0,
        pyramid_dropout=0.0,
        fpn_width=24,
        clips_at_once=None,
    ),
    shape=WindowShape(clip_frames=8, clips=15, stride=2),
    pixels=32,
    videos=2,
)


class Arithmetic(NamedTuple):
    """Where and how exactly is computed."""

    device: torch.device
    dtype: torch.dtype
    bf16: bool = False


CPU = torch.device("cpu")
EXACT = Arithmetic(CPU, torch.float64)
ALLOWED = {False: (1e-4, 1e-3), True: (5e-2, 2e-1)}  # by bf16: of all, but of the gradient
Found = dict[str, list[Tensor]]
"""Results by kind: outputs, losses, gradient."""


def agreement(device: torch.device) -> Cases:
    """Networks and suppression against float64 on the CPU: float32 there, all on the device."""
    single = [Arithmetic(place, torch.float32) for place in dict.fromkeys((CPU, device))]
    halved = Arithmetic(device, torch.float32, bf16=True)
    tiny = video_swin.Config(size="tiny", drop_path=0)
    networks = {
        "toy encoder, 8x32x32": partial(_encode, TOY_ENCODER, side=32),
        "Swin-T, 8x64x64": partial(_encode, tiny, side=64),
        "TALLFormer, Swin-T": partial(_locate, tiny, training=False),
    }
    # Not in bf16: statistics of a small batch magnify its rounding, as ranks do.
    touchy = {
        "the same in training": partial(_locate, tiny, training=True),
        **{way.__name__: partial(_suppress, way) for way in (nms, soft_nms, non_maximum_weighting)},
    }
    tried = [*product(networks.items(), [*single, halved]), *product(touchy.items(), single)]
    for (name, compute), how in tried:
        where = f"{how.device.type} {'bf16' if how.bf16 else 'fp32'}"
        yield {"what": name, "where": where}, partial(_compare, compute, how)


def _compare(compute: Callable[[Arithmetic], Found], how: Arithmetic) -> Row:
    found, exact = compute(how), compute(EXACT)
    far = {kind: difference(found[kind], exact[kind]) for kind in exact}
    of_all, of_gradient = ALLOWED[how.bf16]
    # Written so that NaN does not pass.
    good = all(far[kind] <= (of_gradient if kind == "gradient" else of_all) for kind in far)
    return {**far, "allowed": f"{of_all:g} {of_gradient:g}", "result": "PASS" if good else "FAIL"}


@torch.no_grad()
def difference(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Largest |found - exact| / |exact| of all tensors.

    A tensor whose norm is below a millionth of the largest counts as if it had that norm, for
    some gradients are nothing but rounding.
    """
    pairs = [(a.cpu().double(), b.double()) for a, b in zip(found, exact, strict=True)]
    least = 1e-6 * max(float(b.norm()) for _, b in pairs)
    return float(torch.stack([(a - b).norm() / b.norm().clamp(min=least) for a, b in pairs]).max())


def _encode(config: video_swin.Config, how: Arithmetic, *, side: int) -> Found:
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    encoder = config.build().to(how.device, how.dtype).train()
    clips = _pixels(3, 3, 8, side, side, random=random).to(how.device)
    with torch.autocast(how.device.type, torch.bfloat16, enabled=how.bf16):
        features = encoder(clips)
    wanted = torch.randn(features.shape, generator=random).to(how.device)
    loss = (features.to(how.dtype) - wanted).square().mean()
    return _found([features], [loss], encoder)


def _locate(encoder: video_swin.Config, how: Arithmetic, *, training: bool) -> Found:
    """A detector that is tiny but for the encoder, on windows of which most is remembered."""
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    T = 256
    detector = replace(TOY.model, encoder=encoder).build(CLASSES, cells=T).train(training)
    assert detector.encoder is not None
    remembered = torch.randn(2, detector.encoder.channels, T, generator=random)
    memory = Padded.of(remembered, torch.arange(T) < torch.tensor([[T], [200]]))
    frames = _pixels(2, 3, 3, 8, 32, 32, random=random)
    place = torch.tensor([[5, 0, 40], [49, 7, 8]])  # of clips of 4 cells
    detector.to(how.device, how.dtype)
    memory = Padded(*(part.to(how.device) for part in memory))
    with torch.autocast(how.device.type, torch.bfloat16, enabled=how.bf16):
        raw, fresh = detector(Clips(frames.to(how.device), place.to(how.device), memory))
    losses = list(detector.head.loss(raw, _targets(2, cells=200, device=how.device)).values())
    return _found([fresh, *raw.logits, *raw.deltas], losses, detector)


def _suppress(suppress: Callable[..., Sequence[Tensor]], how: Arithmetic) -> Found:
    random = torch.Generator().manual_seed(1)
    starts, lengths = torch.rand(2, 300, 1, generator=random) * torch.tensor([[[100]], [[20]]])
    scores = torch.rand(300, 5, generator=random)
    both = (torch.cat([starts, starts + lengths], 1), scores)
    segments, scores = (tensor.to(how.device, how.dtype) for tensor in both)
    return {"outputs": list(suppress(segments, scores, iou=0.5, threshold=0.1, limit=400))}


def _found(outputs: list[Tensor], losses: list[Tensor], network: nn.Module) -> Found:
    """Vectors of the gradient as one: each alone, sums over all positions, may cancel out."""
    loss = torch.stack(losses).sum()
    gradient = torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True)
    vectors = torch.cat([part for part in gradient if part.ndim == 1])
    matrices = [part for part in gradient if part.ndim > 1]
    return {"outputs": outputs, "losses": losses, "gradient": [vectors, *matrices]}


def training(scale: Scale, device: torch.device) -> Cases:
    """A step at every rate and precision with every way to save memory; bf16 first."""
    largest = list(scale.encoders.values())[-1]
    ways: tuple[Recompute, ...] = ("block", "none", "half_block")
    every = product((True, False), enumerate(RATES), (None, 2), ways)
    for bf16, (at, rate), frozen, again in every:
        settings: Row = {"r": rate, "precision": "bf16" if bf16 else "fp32"}
        settings |= {"frozen": "none" if frozen is None else frozen, "recomputed": again}
        if scale is PAPER:
            settings["paper"] = PAPER_GIB[at]
            settings["simulated"] = SIMULATED_GIB.get((bf16, frozen, again), (None,) * 3)[at]
            settings["floor_ms"] = FLOOR_STEP_MS[again][at] if bf16 and frozen is None else None
        encoder = replace(largest, frozen_stages=frozen, checkpoint=again)
        yield settings, partial(_step, scale, encoder, rate=rate, bf16=bf16, device=device)


def _step(
    scale: Scale, encoder: video_swin.Config, *, rate: float, bf16: bool, device: torch.device
) -> Row:
    """The library's own loop, without a bank; the clips lie on the device already, as uint8."""
    shape, B, M = scale.shape, scale.videos, clips_to_encode(scale.shape.clips, keep=rate)
    window = window_at("random", 0, video_frames=shape.frames, fps=15, shape=shape)
    place = torch.rand(B, shape.clips, device=device).argsort(1)[:, :M]
    frames = _frames(scale, B, M, device=device)
    batch = Batch((window,) * B, frames, place, _targets(B, cells=shape.cells, device=device), ())
    with device:
        detector = replace(scale.model, encoder=encoder).build(CLASSES, cells=shape.cells).train()
    lesson = ClipLessons(
        detector=detector,
        bank=None,
        augmentation=Augment(crop=None, photometric=0, rotation=0, flip=0),
        generator=torch.Generator(),
        bf16=bf16,
        device=device,
    )
    steps = fit(
        repeat(batch),
        lesson=lesson,
        optimizer=optimizer_for(detector, OptimizerConfig(kind="sgd", lr=1e-4)),
        factor=lambda _: 1.0,
    )
    ms, gib = measured(lambda: next(steps), device=device)
    return {"clips": B * M, "gib": gib, "ms": ms, "result": "ok"}


def inference(scale: Scale, device: torch.device) -> Cases:
    """A window from pixels to candidates, and its encoder alone; the largest encoder first."""
    encoders = list(reversed(scale.encoders.items()))
    for (name, encoder), bf16, at_once in product(encoders, (True, False), (1, 4, 15)):
        settings: Row = {"encoder": name, "precision": "bf16" if bf16 else "fp32"}
        settings["at_once"] = at_once
        if scale is PAPER:
            settings["floor_ms"] = scale.shape.clips * FLOOR_CLIP_MS[name] if bf16 else None
            settings["simulated"] = ENCODER_GIB[bf16][at_once] if name == "base" else None
        model = replace(scale.model, encoder=encoder, clips_at_once=at_once)
        yield settings, partial(_detect, scale, model, bf16=bf16, device=device)


def _detect(scale: Scale, model: tallformer.Config, *, bf16: bool, device: torch.device) -> Row:
    M, T = scale.shape.clips, scale.shape.cells
    with device:
        detector = model.build(CLASSES, cells=T).eval()
        assert detector.encoder is not None
        memory = Padded.whole(torch.zeros(1, detector.encoder.channels, T))
        window = Clips(_frames(scale, 1, M, device=device), torch.arange(M)[None], memory)

    @torch.inference_mode()
    def run(network: Callable[[Clips], Any]) -> Any:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return network(window)

    encoder_ms, encoder_gib = measured(lambda: run(detector.encode), device=device)
    window_ms, window_gib = measured(
        lambda: detector.head.candidates(run(detector).raw), device=device
    )
    row = {"clips_per_s": 1000 * M / encoder_ms, "encoder_gib": encoder_gib}
    return {**row, "window_ms": window_ms, "window_gib": window_gib, "result": "ok"}


def _train(what: str) -> Row:
    """Train and score the demo, or a recipe."""
    from untrimmed import api  # needs a decoder of video, which nothing else here does

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        if what == "demo":
            scores = api.demo(run).evaluation.scores
        else:
            api.train(what, run)
            scores = api.evaluate(run).scores
    row = {"average_map": scores.average, "seconds": time.perf_counter() - began, "result": "ok"}
    return {**row, "map": dict(zip(map(str, scores.tious), scores.mean_ap.tolist(), strict=True))}


def measured(action: Callable[[], Any], *, device: torch.device) -> tuple[float, float | str]:
    """Median milliseconds, and the most GiB of tensors at once, after a warm-up."""
    on_gpu = device.type == "cuda"
    for _ in range(WARM_UP):
        action()
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    times_s = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        action()
        if on_gpu:
            torch.cuda.synchronize(device)
        times_s.append(time.perf_counter() - began)
    gib = torch.cuda.max_memory_allocated(device) / 2**30 if on_gpu else "not measured"
    return 1000 * median(times_s), gib


def _pixels(*shape: int, random: torch.Generator) -> Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=random, device=random.device)


def _frames(scale: Scale, B: int, M: int, *, device: torch.device) -> Tensor:
    random = torch.Generator(device).manual_seed(0)
    return _pixels(B, M, 3, scale.shape.clip_frames, scale.pixels, scale.pixels, random=random)


def _targets(B: int, *, cells: int, device: torch.device) -> tuple[Targets, ...]:
    segments = cells * torch.tensor([[0.1, 0.15], [0.3, 0.4], [0.5, 0.9]], device=device)
    return (Targets(segments, torch.tensor([3, 0, 7], device=device)),) * B


def made(cases: Cases, columns: Sequence[str], *, until: float) -> list[Row]:
    """Make the measurements one by one and print each; none is begun after `until`."""
    print(_line(columns, columns))
    rows = []
    for settings, measure in cases:
        late = time.monotonic() > until
        rows.append({**settings, **({"result": "out of time"} if late else _guarded(measure))})
        print(_line([rows[-1].get(name) for name in columns], columns), flush=True)
    return rows


def _guarded(measure: Callable[[], Row]) -> Row:
    try:
        return measure()
    except torch.OutOfMemoryError:
        return {"result": "out of memory"}
    except Exception as error:
        traceback.print_exc()
        return {"result": "FAIL", "error": f"{type(error).__name__}: {error}"}
    finally:
        gc.collect()
        torch.cuda.empty_cache()


def _line(values: Sequence[Any], columns: Sequence[str]) -> str:
    texts = [f"{value:.4g}" if isinstance(value, float) else str(value or "") for value in values]
    widths = [24 if name == "what" else 12 for name in columns]
    return " ".join(text.rjust(width) for text, width in zip(texts, widths, strict=True))


def facts(device: torch.device) -> Row:
    """What the numbers depend on."""
    return {
        "command": " ".join(["python", *sys.argv]),
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "commit": _commit(),
        "device": (
            torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
        ),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


def _commit() -> str | None:
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.check_output(git, cwd=Path(__file__).parent, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/gpu.json"), help="where to write")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try this file")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--seconds", type=float, default=480, help="begin nothing after these")
    parser.add_argument("--train", metavar="RECIPE", help="a recipe to run at last, or `demo`")
    options = parser.parse_args()
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU here")
    if options.device == "cpu" and not options.quick:
        parser.error("a CPU would take hours: add --quick")
    return options


def main() -> int:
    """Make every measurement; 1 if one failed."""
    began = time.monotonic()
    options = _options()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device(options.device)
    scale = TOY if options.quick else PAPER
    parts = {
        "agreement": agreement(device),
        "training": training(scale, device),
        "inference": inference(scale, device),
    }
    if options.train:
        parts["run"] = iter([({"run": options.train}, partial(_train, options.train))])
    report: Row = facts(device)
    print("\n".join(f"{name}: {value}" for name, value in report.items()))
    rows = []
    for name, cases in parts.items():
        print(f"\n{name}")
        until = began + options.seconds * (TRAINING_SHARE if name == "training" else 1)
        report[name] = made(cases, COLUMNS[name].split(), until=until)
        rows += report[name]
        with written_whole(options.out) as path:
            path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    failed = sum(row["result"] == "FAIL" for row in rows)
    took_s = time.monotonic() - began
    print(f"\n{failed} of {len(rows)} failed, {took_s:.0f} s, written to {options.out}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""What TALLFormer costs on the GPU at hand, and whether it computes there what a CPU does.

    python benchmarks/gpu.py --out gpu.json
    python benchmarks/gpu.py --quick --device cpu     # the same at tiny sizes, to try this file

In this order: agreement with float64 on the CPU; peak memory and time of a training step in the
THUMOS14 setting of the paper (Cheng & Bertasius, ECCV 2022); inference; on demand a whole run.
Frames, features and weights are random: nothing is scored before the last part.  A measurement
that fails does not stop the others, but the exit status is then 1; to run out of memory is a
result.  TF32 is off.  The file is written anew after every part.

Shapes: B videos, M clips encoded now, C channels, K cells of a clip, T cells of a window.
"""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product, repeat
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from untrimmed.core.files import written_whole
from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.sampling import choose_clips
from untrimmed.data.windows import WindowShape, window_at
from untrimmed.models import tallformer
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor
from untrimmed.nn.ops.nms import nms, non_maximum_weighting, soft_nms
from untrimmed.tensors import Clips, Padded, Targets
from untrimmed.train.loop import fit
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for

CLASSES = 20
WARM_UP, REPEATS = 2, 5
UNCHANGED = Augment(crop=None, photometric=0, rotation=0, flip=0)

# To compare with, memory in GiB.  Simulated, before anything ran on a GPU, is the most that the
# tensors of a step take at once; context, workspaces and fragmentation come on top.
# By bf16, frozen stages and what is computed again; at each of the rates r.
RATES = (0.15, 0.4, 1.0)
PAPER_GIB = (12, 29, "OOM at 48")  # table 5a: float32, nothing frozen, half blocks, 4 videos
DDP_BUCKETS_GIB = 0.44  # simulated too, but not there with one GPU
SIMULATED_GIB = {
    (False, None, "half_block"): (7.4, 18.0, 41.6),
    (True, None, "half_block"): (5.8, 14.0, 32.5),
    # With a residual stream in bfloat16, from here on; autocast keeps it in float32.
    (True, None, "none"): (15.5, 41.9, 101.0),
    (True, None, "block"): (4.6, 9.9, 21.9),
    (True, 2, "none"): (9.8, 25.2, 60.2),
    (True, 2, "block"): (2.6, 4.6, 9.3),
}
AUTHORS_GIB = {  # their code simulated: attention not fused, all frames kept in float32
    (False, None, "none"): (46.0, 133.0, 328.0),
    (False, None, "half_block"): (12.25, 30.83, 72.63),
    (False, 2, "half_block"): (9.66, 23.15, 53.51),
}
ENCODER_GIB = {  # Swin-B alone, by bf16, then clips per call
    True: {1: 0.64, 4: 1.0, 15: 2.4},
    False: {1: 0.93, 4: 1.6, 15: 4.3},
}
# Estimated for an H200 in bf16, nothing frozen: every kernel as fast as its bytes and operations.
FLOOR_STEP_MS = {"none": (50, 149, 372), "block": (67, 202, 505), "half_block": (67, 202, 505)}
FLOOR_CLIP_MS = {"tiny": 1.02, "small": 1.56, "base": 2.2}

Row = dict[str, Any]


class Case(NamedTuple):
    """A measurement not made yet: what is measured, and how."""

    settings: Row
    measure: Callable[[], Row]


class Part(NamedTuple):
    """Measurements of one kind; none is begun after this share of the time has passed."""

    name: str
    columns: tuple[str, ...]
    cases: Iterable[Case]
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large everything is; the last of the encoders is the one that is trained."""

    encoders: Mapping[str, video_swin.Config]
    model: tallformer.Config
    shape: WindowShape
    pixels: int
    videos: int


PAPER = Scale(
    encoders={size: video_swin.Config(size=size) for size in ("tiny", "small", "base")},
    model=tallformer.Config(),
    shape=WindowShape(fps=15, clip_frames=32, clips=15, stride=2),
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
        consistency_layers=1,
        consistency_heads=2,
        consistency_drop_path=0.0,
        pyramid_heads=4,
        pyramid_dropout=0.0,
        fpn_width=24,
    ),
    shape=WindowShape(fps=15, clip_frames=8, clips=15, stride=2),
    pixels=32,
    videos=2,
)


class Arithmetic(NamedTuple):
    """Where and how exactly is computed, and how far from float64 that may lead."""

    device: torch.device
    dtype: torch.dtype
    bf16: bool = False
    allowed: float = 0.0
    allowed_gradient: float = 0.0


CPU = torch.device("cpu")
EXACT = Arithmetic(CPU, torch.float64)
Found = dict[str, list[Tensor]]
"""Results by kind: outputs, losses, gradient."""


def agreement(device: torch.device) -> Iterator[Case]:
    """Networks and suppression against float64 on the CPU, on the CPU and on the device."""
    places = [CPU] if device.type == "cpu" else [CPU, device]
    single = [Arithmetic(place, torch.float32, False, 1e-4, 1e-3) for place in places]
    halved = Arithmetic(device, torch.float32, True, 3e-2, 2e-1)
    swin_tiny = video_swin.Config(size="tiny", drop_path=0)
    networks = {
        "toy encoder, 8x32x32": partial(_encode, TOY_ENCODER, side=32),
        "Swin-T, 8x64x64": partial(_encode, swin_tiny, side=64),
        "TALLFormer, toy encoder": partial(_locate, TOY_ENCODER),
        "TALLFormer, Swin-T": partial(_locate, swin_tiny),
    }
    suppressions = {
        function.__name__: partial(_suppress, function)
        for function in (nms, soft_nms, non_maximum_weighting)
    }
    pairs = [*product(networks.items(), [*single, halved]), *product(suppressions.items(), single)]
    for (name, compute), how in pairs:
        where = f"{how.device.type} {'bf16' if how.bf16 else 'fp32'}"
        yield Case({"what": name, "where": where}, partial(_compare, compute, how))


def _compare(compute: Callable[[Arithmetic], Found], how: Arithmetic) -> Row:
    found, exact = compute(how), compute(EXACT)
    distances = {kind: difference(found[kind], exact[kind]) for kind in exact}
    # Written so that NaN does not pass.
    good = all(
        far <= (how.allowed_gradient if kind == "gradient" else how.allowed)
        for kind, far in distances.items()
    )
    allowed = f"{how.allowed:g}, {how.allowed_gradient:g}"
    return {**distances, "allowed": allowed, "result": "PASS" if good else "FAIL"}


def difference(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Largest |found - exact| / |exact| of all tensors; infinite if whole numbers differ.

    A tensor whose norm is below a thousandth of the largest counts as if it had that norm, for
    some gradients are nothing but rounding.
    """
    least = 1e-3 * max(float(wanted.detach().double().norm()) for wanted in exact)
    distances = []
    for ours, wanted in zip(found, exact, strict=True):
        ours, wanted = ours.detach().cpu(), wanted.detach()
        is_whole = not wanted.is_floating_point()
        if ours.shape != wanted.shape or (is_whole and not torch.equal(ours, wanted)):
            return float("inf")
        far = (ours.double() - wanted.double()).norm()
        distances.append(far / wanted.double().norm().clamp(min=least))
    return float(torch.stack(distances).max())


def _encode(config: video_swin.Config, how: Arithmetic, *, side: int) -> Found:
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    encoder = config.build().to(how.device, how.dtype).train()
    clips = _pixels(3, 3, 8, side, side, random=random).to(how.device)
    with torch.autocast(how.device.type, torch.bfloat16, enabled=how.bf16):
        features = encoder(clips)
    weights = torch.rand(features.shape, generator=random).to(how.device)
    loss = (weights * features.to(how.dtype).square()).mean()
    return {"outputs": [features], "losses": [loss], "gradient": _gradient(encoder, loss)}


def _locate(encoder: video_swin.Config, how: Arithmetic) -> Found:
    """A whole detector, tiny but for the encoder, on windows of which most is remembered."""
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    T, ends = 256, torch.tensor([[256], [200]])
    detector = replace(TOY.model, encoder=encoder).build(classes=CLASSES, cells=T)
    detector = detector.to(how.device, how.dtype).train()
    remembered = torch.randn(2, detector.encoder.channels, T, generator=random)
    frames = _pixels(2, 3, 3, 8, 32, 32, random=random)
    place = torch.tensor([[5, 0, 40], [49, 7, 8]])  # of clips of 4 cells
    memory = Padded.of(remembered.to(how.device), (torch.arange(T) < ends).to(how.device))
    window = Clips(frames.to(how.device), place.to(how.device), memory)
    with torch.autocast(how.device.type, torch.bfloat16, enabled=how.bf16):
        raw, fresh = detector(window)
    losses = list(detector.head.loss(raw, _targets(2, cells=200, device=how.device)).values())
    known = [
        Padded.of(values, valid).values
        for field in (raw.logits, raw.deltas)
        for values, valid in zip(field, raw.valid, strict=True)
    ]
    gradient = _gradient(detector, torch.stack(losses).sum())
    return {"outputs": [fresh, *known], "losses": losses, "gradient": gradient}


def _suppress(suppress: Callable[..., Sequence[Tensor]], how: Arithmetic) -> Found:
    random = torch.Generator().manual_seed(1)
    starts = 100 * torch.rand(300, 1, generator=random)
    segments = torch.cat([starts, starts + 20 * torch.rand(300, 1, generator=random)], 1)
    scores = torch.rand(300, 5, generator=random)
    both = (tensor.to(how.device, how.dtype) for tensor in (segments, scores))
    return {"outputs": list(suppress(*both, iou=0.5, threshold=0.1, limit=400))}


def _gradient(module: nn.Module, loss: Tensor) -> list[Tensor]:
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return list(torch.autograd.grad(loss, trained, allow_unused=True, materialize_grads=True))


def training(scale: Scale, device: torch.device) -> Iterator[Case]:
    """A step at every rate and precision with every way to save memory; bf16 first."""
    ways = list(product((None, 2), ("block", "none", "half_block")))
    largest = list(scale.encoders.values())[-1]
    for bf16, rate, (frozen, checkpoint) in product((True, False), RATES, ways):
        settings = {
            "r": rate,
            "precision": "bf16" if bf16 else "fp32",
            "frozen": "none" if frozen is None else frozen,
            "recomputed": checkpoint,
        }
        if scale is PAPER:
            settings |= _expected_step(bf16, rate, frozen, checkpoint)
        encoder = replace(largest, frozen_stages=frozen, checkpoint=checkpoint)
        yield Case(settings, partial(_step, scale, encoder, rate=rate, bf16=bf16, device=device))


def _expected_step(bf16: bool, rate: float, frozen: int | None, checkpoint: str) -> Row:
    key, at = (bf16, frozen, checkpoint), RATES.index(rate)
    expected: Row = {"paper": PAPER_GIB[at]}
    if key in SIMULATED_GIB:
        expected["simulated"] = SIMULATED_GIB[key][at] - DDP_BUCKETS_GIB
    if key in AUTHORS_GIB:
        expected["authors'"] = AUTHORS_GIB[key][at]
    if bf16 and frozen is None:
        expected["floor ms"] = FLOOR_STEP_MS[checkpoint][at]
    return expected


def _step(
    scale: Scale, encoder: video_swin.Config, *, rate: float, bf16: bool, device: torch.device
) -> Row:
    """The library's own loop, without a bank; the clips lie on the device already, as uint8."""
    shape, B = scale.shape, scale.videos
    window = window_at("random", 0, video_frames=shape.frames, shape=shape)
    chance = np.random.default_rng(0)
    places = [
        torch.from_numpy(choose_clips(shape.clips, keep=rate, valid=shape.clips, random=chance))
        for _ in range(B)
    ]
    place = torch.stack(places).to(device)  # (B, M)
    frames = _frames(scale, B, place.shape[1], device=device)
    batch = Batch((window,) * B, frames, place, _targets(B, cells=shape.cells, device=device), ())
    with device:
        detector = replace(scale.model, encoder=encoder).build(CLASSES, cells=shape.cells).train()
    optimizer = optimizer_for(detector, OptimizerConfig(kind="sgd", lr=1e-4, weight_decay=1e-4))
    steps = fit(
        detector,
        repeat(batch),
        optimizer=optimizer,
        factor=lambda _: 1.0,
        bank=None,
        augmentation=UNCHANGED,
        generator=torch.Generator(),
        bf16=bf16,
        device=device,
    )
    ms, gib = measured(lambda: next(steps), device=device)
    return {"clips": place.numel(), "GiB": gib, "ms": ms, "result": "ok"}


def inference(scale: Scale, device: torch.device) -> Iterator[Case]:
    """One window from pixels to candidates, and its encoder alone; the largest encoder first."""
    encoders = reversed(scale.encoders.items())
    for (name, encoder), bf16, at_once in product(encoders, (True, False), (1, 4, 15)):
        precision = "bf16" if bf16 else "fp32"
        settings: Row = {"encoder": name, "precision": precision, "at once": at_once}
        if scale is PAPER and bf16:
            settings["floor ms"] = scale.shape.clips * FLOOR_CLIP_MS[name]
        if scale is PAPER and name == "base":
            settings["simulated"] = ENCODER_GIB[bf16][at_once]
        model = replace(scale.model, encoder=encoder, clips_at_once=at_once)
        yield Case(settings, partial(_detect, scale, model, bf16=bf16, device=device))


def _detect(scale: Scale, model: tallformer.Config, *, bf16: bool, device: torch.device) -> Row:
    M, T = scale.shape.clips, scale.shape.cells
    with device:
        detector = model.build(CLASSES, cells=T).eval()
        memory = Padded.whole(torch.zeros(1, detector.encoder.channels, T))
        window = Clips(_frames(scale, 1, M, device=device), torch.arange(M)[None], memory)
    parts = window.frames[0].split(model.clips_at_once or M)

    def within(action: Callable[[], Any]) -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            action()

    def detect() -> None:
        within(lambda: detector.head.candidates(detector(window).raw))

    def encode() -> None:
        for part in parts:
            within(lambda part=part: detector.encoder(part))

    encoder_ms, encoder_gib = measured(encode, device=device)
    window_ms, window_gib = measured(detect, device=device)
    return {
        "clips/s": 1000 * M / encoder_ms,
        "encoder GiB": encoder_gib,
        "window ms": window_ms,
        "window GiB": window_gib,
        "result": "ok",
    }


def whole_run(what: str) -> Iterator[Case]:
    """Train and score the demo, or a recipe."""
    yield Case({"run": what}, partial(_train, what))


def _train(what: str) -> Row:
    from untrimmed import api  # decodes videos, for which the other parts need no library

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        if what == "demo":
            scores = api.demo(run).evaluation.scores
        else:
            api.train(what, run)
            scores = api.evaluate(run).scores
    by_tiou = dict(zip(map(str, scores.tious), scores.mean_ap.tolist(), strict=True))
    seconds = time.perf_counter() - began
    return {"average mAP": scores.average, "mAP": by_tiou, "seconds": seconds, "result": "ok"}


def measured(action: Callable[[], Any], *, device: torch.device) -> tuple[float, float | str]:
    """Median milliseconds, and the most memory that PyTorch allocated, in GiB, after a warm-up."""
    on_gpu = device.type == "cuda"
    wait = partial(torch.cuda.synchronize, device) if on_gpu else _do_nothing
    for _ in range(WARM_UP):
        action()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(REPEATS):
        wait()
        began = time.perf_counter()
        action()
        wait()
        seconds.append(time.perf_counter() - began)
    gib = torch.cuda.max_memory_allocated(device) / 2**30 if on_gpu else "not measured"
    return 1000 * median(seconds), gib


def _do_nothing() -> None:
    pass


def _pixels(*shape: int, random: torch.Generator) -> Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=random, device=random.device)


def _frames(scale: Scale, B: int, M: int, *, device: torch.device) -> Tensor:
    random = torch.Generator(device).manual_seed(0)
    return _pixels(B, M, 3, scale.shape.clip_frames, scale.pixels, scale.pixels, random=random)


def _targets(B: int, *, cells: int, device: torch.device) -> tuple[Targets, ...]:
    segments = cells * torch.tensor([[0.1, 0.15], [0.3, 0.4], [0.5, 0.9]], device=device)
    return (Targets(segments, torch.tensor([3, 0, 7], device=device)),) * B


def run(part: Part, *, began: float, seconds: float) -> list[Row]:
    """Make the measurements of a part one by one, and print each."""
    print(f"\n{part.name}\n{_line(dict(zip(part.columns, part.columns, strict=True)), part)}")
    rows = []
    for case in part.cases:
        late = time.monotonic() - began > part.share * seconds
        outcome = {"result": "not begun: out of time"} if late else _guarded(case.measure)
        rows.append(case.settings | outcome)
        print(_line(rows[-1], part), flush=True)
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


def _line(row: Row, part: Part) -> str:
    first, *others = part.columns
    cells = [_cell(row.get(first, "")).ljust(24 if first == "what" else len(first))]
    return "  ".join(cells + [_cell(row.get(name, "")).rjust(max(len(name), 9)) for name in others])


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1e}" if 0 < abs(value) < 0.01 else f"{value:.4g}"


def _facts(device: torch.device) -> Row:
    """What the numbers depend on."""
    folder = str(Path(__file__).parent)
    git = ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    facts = {
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "torch": torch.__version__,
    }
    if device.type == "cpu":
        return facts | {"device": f"CPU, {torch.get_num_threads()} threads"}
    card = torch.cuda.get_device_properties(device)
    return facts | {
        "device": card.name,
        "GiB": card.total_memory / 2**30,
        "cuda": torch.version.cuda,
    }


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
    """Run every part; 1 if a measurement failed."""
    began = time.monotonic()
    options = _options()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device(options.device)
    scale = TOY if options.quick else PAPER
    report: Row = {**_facts(device), "parts": {}}
    print(json.dumps(report, indent=1))
    for part in _parts(scale, device, train=options.train):
        report["parts"][part.name] = run(part, began=began, seconds=options.seconds)
        with written_whole(options.out) as path:
            path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    rows = [row for part in report["parts"].values() for row in part]
    failed = sum(row["result"] == "FAIL" for row in rows)
    passed = time.monotonic() - began
    print(f"\n{failed} of {len(rows)} failed, {passed:.0f} s, written to {options.out}")
    return int(failed > 0)


def _parts(scale: Scale, device: torch.device, *, train: str | None) -> Iterator[Part]:
    compared = ("what", "where", "outputs", "losses", "gradient", "allowed", "result")
    yield Part("agreement", compared, agreement(device))
    step = ("r", "precision", "frozen", "recomputed", "clips", "GiB", "simulated", "authors'")
    yield Part(
        "training", (*step, "paper", "ms", "floor ms", "result"), training(scale, device), 0.8
    )
    speed = ("encoder", "precision", "at once", "clips/s", "encoder GiB", "simulated")
    times = ("window ms", "floor ms", "window GiB", "result")
    yield Part("inference", (*speed, *times), inference(scale, device))
    if train:
        yield Part("whole run", ("run", "average mAP", "seconds", "result"), whole_run(train))


if __name__ == "__main__":
    sys.exit(main())

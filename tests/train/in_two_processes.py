"""What the tests of `train.distributed` run, by itself and under torchrun.

    python -m torch.distributed.run --standalone --nproc-per-node 2 in_two_processes.py FOLDER

Each process writes what it came to into FOLDER, under its number.
"""

import sys
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.windows import WindowShape, window_at
from untrimmed.models import tallformer
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.heads import anchor, point, refined_point
from untrimmed.nn.layers.norm import BatchNorm
from untrimmed.nn.video_class import Config as VideoClass
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Clips, Padded, Targets
from untrimmed.train.clips import ClipLessons
from untrimmed.train.distributed import ALONE, joined
from untrimmed.train.loop import fit
from untrimmed.train.memory import fill

B, CLASSES = 4, 3  # windows of the global batch; the second half has no action
SHAPE = WindowShape(clip_frames=8, clips=4, stride=2)  # 4 cells a clip, 16 a window
T = SHAPE.cells
FRAMES = (32, 21, 32, 13)
SWIN = video_swin.Config(
    size=None, embed=4, depths=(1, 1), heads=(1, 2), window=(2, 3, 3), drop_path=0.4
)
COMMON = {
    "encoder": SWIN,
    "width": 16,
    "reduce": 1,
    "consistency_layers": 1,
    "consistency_heads": 2,
    "consistency_drop_path": 0.0,
    "pyramid_heads": 2,
    "pyramid_kernels": (3,),
    "pyramid_dropout": 0.0,
    "pyramid_levels": 2,
    "fpn_width": 8,
    "groups": 4,
    "clips_at_once": 1,
}
MODELS = {
    "anchor": tallformer.Config(head=anchor.Config(width=8, stacked=1), **COMMON),
    "point": tallformer.Config(
        head=point.Config(width=8, layers=2, ranges=((0.0, 4.0), (4.0, 99.0)), loss_weight=None),
        **COMMON,
    ),
    "refined": tallformer.Config(
        head=refined_point.Config(stacked=1, groups=4, steps=1, ranges=((0.0, 9.0), (5.0, 99.0))),
        pyramid="convolutional",
        video_class=VideoClass(dropout=0.0),
        **COMMON,
    ),
}


def random(seed):
    return torch.Generator().manual_seed(seed)


def targets():
    """Of all windows."""
    some = Targets(torch.tensor([[1.0, 6.0], [5.0, 13.0]]), torch.tensor([2, 0]))
    few = Targets(torch.tensor([[2.0, 9.0]]), torch.tensor([1]))
    none = Targets(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    return [some, few, none, none]


def memory(channels):
    values = torch.randn(B, channels, T, generator=random(0), dtype=torch.float64)
    lengths = torch.tensor([16, 11, 16, 7])
    return Padded.of(values, torch.arange(T) < lengths[:, None])


def part(padded, rows):
    return Padded(padded.values[rows], padded.valid[rows])


def built(name):
    torch.manual_seed(0)
    return MODELS[name].build(CLASSES, cells=T).double().train()


def gradients(module):
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def normed(processes):
    """A norm over the batch: what it gives, its gradient and its statistics."""
    x = memory(5)
    values = x.values.clone().requires_grad_()
    own = rows_of(processes)
    norm = BatchNorm(5).double().train()
    y = norm(part(Padded(values, x.valid), own)).values
    weights = torch.linspace(-1, 2, B * 5 * T, dtype=torch.float64).view(B, 5, T)
    (y * weights[own]).sum().backward()
    processes.add_gradients(list(norm.parameters()))
    return {
        "y": y.detach(),
        "gradient": values.grad[own],
        "weights": gradients(norm),
        "state": norm.state_dict(),
    }


def rows_of(processes):
    return list(processes.share(range(B)))


def learnt(name, processes):
    """Losses and gradient of a whole detector on remembered features."""
    detector, rows = built(name), rows_of(processes)
    output = detector(part(memory(detector.encoder.channels), rows))
    losses = detector.head.loss(output.raw, [targets()[row] for row in rows])
    sum(losses.values()).backward()
    trained = [p for p in detector.parameters() if p.requires_grad]
    processes.add_gradients(trained)
    return {
        "losses": {key: value.detach() for key, value in losses.items()},
        "gradient": gradients(detector),
        "positives": getattr(detector.head, "positives", None),
    }


def wrapped(processes):
    """The gradient with PyTorch's own wrapper, which takes the mean over processes."""
    detector, rows = built("anchor"), rows_of(processes)
    network = detector
    if processes.count > 1:
        network = DistributedDataParallel(detector, gradient_as_bucket_view=True)
    frames, place = pixels(), torch.tensor([[0, 2], [1, 0], [3, 1], [0, 1]])
    keep = detector.encoder.draw_keep(2 * B, random(3)).unflatten(1, (B, 2))[:, rows].flatten(1)
    remembered = part(memory(detector.encoder.channels), rows)
    output = network(Clips(frames[rows], place[rows], remembered), keep=keep)
    losses = detector.head.loss(output.raw, [targets()[row] for row in rows])
    (processes.count * sum(losses.values())).backward()
    return gradients(detector)


def pixels():
    return torch.randint(256, (B, 2, 3, 8, 16, 16), dtype=torch.uint8, generator=random(1))


def trained(processes, folder):
    """Three steps on clips, with a memory in each process; losses, weights and memory."""
    detector, rows = built("anchor"), rows_of(processes)
    cells = {str(row): SHAPE.cells_of(frames) for row, frames in enumerate(FRAMES)}
    channels = detector.encoder.channels
    bank = FeatureBank.create(None, cells, channels=channels, dtype="float32")
    for video, length in cells.items():
        fill(bank, video, [torch.randn(channels, length, generator=random(int(video)))])
    places = [[[0, 2], [1, 0], [3, 1], [0, 1]], [[1, 3], [2, 0], [0, 2], [1, 0]]]
    windows = [
        window_at(str(v), 0, video_frames=n, fps=10, shape=SHAPE) for v, n in enumerate(FRAMES)
    ]
    batches = [
        Batch(
            tuple(windows[row] for row in rows),
            pixels()[rows],
            torch.tensor(places[step % 2])[rows],
            tuple(targets()[row] for row in rows),
            (),
        )
        for step in range(3)
    ]
    lessons = ClipLessons(
        detector=detector,
        bank=bank,
        augmentation=Augment(crop=(12, 12)),
        generator=random(5),
        device=torch.device("cpu"),
        processes=processes,
    )
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.01)
    steps = list(
        fit(
            batches,
            lesson=lessons,
            optimizer=optimizer,
            factor=lambda _: 1.0,
            clip_norm=1.0,
            processes=processes,
        )
    )
    bank.copy_to(folder / f"bank-{processes.number}")
    return {
        "steps": [
            {"losses": s.losses, "norm": s.gradient_norm, "clips": s.clips, "age": s.age}
            for s in steps
        ],
        "weights": detector.state_dict(),
        "bank": torch.from_numpy(bank.features),
        "written": torch.from_numpy(bank.written),
    }


def everything(processes, folder):
    return {
        "normed": normed(processes),
        **{name: learnt(name, processes) for name in MODELS},
        "wrapped": wrapped(processes),
        "trained": trained(processes, folder),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    with joined() as processes:
        assert processes != ALONE
        torch.save(everything(processes, out), out / f"{processes.number}.pt")

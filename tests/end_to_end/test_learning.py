"""The training loop, the memory, the network, detection and scoring, together, learn something."""

import numpy as np
import pytest
import torch

from untrimmed.core.actions import Actions
from untrimmed.core.grid import TimeGrid
from untrimmed.data.augment import Augment
from untrimmed.data.collate import Batch
from untrimmed.data.targets import targets
from untrimmed.data.windows import WindowShape, window_at
from untrimmed.detect.postprocess import Suppression, detections, found
from untrimmed.metrics.average_precision import average_precision
from untrimmed.models import tallformer
from untrimmed.nn.encoders import conv3d
from untrimmed.nn.heads import anchor
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Padded
from untrimmed.train.clips import ClipLessons
from untrimmed.train.loop import fit
from untrimmed.train.memory import fill
from untrimmed.train.optimizer import OptimizerConfig, optimizer_for

SHAPE = WindowShape(clip_frames=8, clips=12, stride=2)
CLASSES, C, T = 2, 8, SHAPE.cells
GRID = TimeGrid(first_s=0.0, step_s=SHAPE.stride / 10, length=T)


def drawn(random):
    """Noise, and in it two actions: each lifts one channel, and the next one halfway through."""
    values = 0.3 * random.standard_normal((C, T))
    segments, labels = [], []
    for start in (random.uniform(1, 8), random.uniform(22, 28)):
        length, label = random.uniform(6, 14), int(random.integers(CLASSES))
        cells = np.arange(round(start), round(start + length))
        values[label, cells] += 1.5
        values[label + 1, cells[len(cells) // 2 :]] += 1.5
        segments.append((start, start + length))
        labels.append(label)
    return values.astype(np.float32), Actions(GRID.to_seconds(segments), labels)


@pytest.fixture
def trained(tmp_path):
    """A detector trained from the bank alone, on drawn features."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    videos = {f"v{n}": drawn(random) for n in range(64)}
    bank = FeatureBank.create(tmp_path / "bank", dict.fromkeys(videos, T), channels=C)
    for id, (values, _) in videos.items():
        fill(bank, id, [torch.from_numpy(values)])
    detector = tallformer.Config(
        encoder=conv3d.Config(channels=(8, C)),
        head=anchor.Config(width=16, stacked=1),
        width=32,
        reduce=1,
        consistency_layers=1,
        consistency_heads=2,
        pyramid_heads=2,
        pyramid_kernels=(5, 5),
        fpn_width=16,
    ).build(CLASSES, cells=T)

    def batches():
        for _ in range(150):
            ids = [f"v{n}" for n in random.choice(len(videos), 8, replace=False)]
            yield Batch(
                tuple(
                    window_at(id, 0, video_frames=SHAPE.frames, fps=10, shape=SHAPE) for id in ids
                ),
                torch.zeros(8, 1, 3, 8, 4, 4, dtype=torch.uint8),
                torch.zeros(8, 1, dtype=torch.int64),
                tuple(targets(videos[id][1], GRID) for id in ids),
                (),
            )

    steps = list(
        fit(
            batches(),
            lesson=ClipLessons(
                detector=detector.train(),
                bank=bank,
                augmentation=Augment(crop=None),
                generator=torch.Generator(),
                head_only_steps=150,
                device=torch.device("cpu"),
            ),
            optimizer=optimizer_for(detector, OptimizerConfig(lr=3e-3)),
            factor=lambda number: min(1.0, (150 - number) / 50),
            clip_norm=1.0,
        )
    )
    return detector.eval(), steps


def test_a_detector_learns_from_memory_to_find_actions_it_has_not_seen(trained):
    detector, steps = trained
    assert steps[-1].loss < 0.3 * steps[0].loss
    random = np.random.default_rng(1)
    truth, seen = {}, {}
    for n in range(20):
        values, truth[f"t{n}"] = drawn(random)
        with torch.inference_mode():
            raw = detector.locate(Padded.whole(torch.from_numpy(values)[None]))
            window = found(detector.head.candidates(raw), GRID, least_score=0.05)
        seen[f"t{n}"] = detections([window], duration_s=9.6, config=Suppression())
    ap = average_precision(truth, seen, tiou=0.5, classes=CLASSES)
    assert ap.min() > 0.9

"""Graphs that were exported, run: in ONNX Runtime or in PyTorch.

Put in the place of a detector, they are run by the same code over videos and features.

Shapes: as in `detect.graphs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Never

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from untrimmed.core.errors import UserError
from untrimmed.nn.detector import Detector
from untrimmed.tensors import Candidates, Losses, Padded, Pyramid, Targets

Run = Callable[..., Sequence[Tensor]]
"""A graph: from tensors, in the order of its inputs, to those of its outputs."""


def opened(path: Path) -> Run:
    """A file of a graph, ready to run on the CPU: `.onnx`, or `.pt2` of `torch.export`.

    Raises:
        UserError: if it is neither, or cannot be read.
    """
    match path.suffix:
        case ".onnx":
            return _onnx(path)
        case ".pt2":
            module = torch.export.load(path).module()
            return lambda *inputs: _listed(module(*inputs))
    raise UserError(f"{path}: wanted a file of a graph, .onnx or .pt2")


def _listed(given: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [given] if isinstance(given, Tensor) else given


def _onnx(path: Path) -> Run:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("ONNX needs further packages: pip install 'untrimmed[export]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: Tensor) -> Sequence[Tensor]:
        arrays = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return [torch.from_numpy(each) for each in session.run(None, arrays)]

    return run


def stand_in(detector: Detector, *, encode: Run | None, locate: Run) -> Detector:
    """A detector whose parts are graphs; it does not learn.

    Args:
        detector: that they were made of.
        encode: takes its frames; None if it has no encoder.
        locate: takes features and the number of cells.
    """
    encoder = None
    if encode is not None and detector.encoder is not None:
        encoder = _Encoder(encode, detector.encoder.channels, detector.encoder.stride)
    return Detector(encoder, _Passing(), _Head(locate))


class _Encoder(nn.Module):
    def __init__(self, run: Run, channels: int, stride: int) -> None:
        super().__init__()
        self.run = run
        self.channels = channels
        self.stride = stride

    def forward(self, clips: Num[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        (features,) = self.run(clips)
        return features


class _Passing(nn.Module):
    """Hands the features on; what is made of them is the affair of `_Head`."""

    channels = 0
    strides: tuple[int, ...] = (1,)

    def forward(self, features: Padded) -> Pyramid:
        return Pyramid((features,), self.strides)


class _Head(nn.Module):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def forward(self, pyramid: Pyramid) -> Candidates:
        values, valid = pyramid.levels[0]
        return Candidates(*self.run(values, valid.sum(1)))

    def loss(self, raw: Candidates, targets: Sequence[Targets]) -> Losses:  # noqa: ARG002
        return _refuse()

    def candidates(self, raw: Candidates) -> Candidates:
        return raw


def _refuse() -> Never:
    raise TypeError("an exported detector does not learn")

"""A detector as graphs for other runtimes: from clips or features of any length to candidates.

What a graph takes and gives are plain tensors of one window.  What remains to be done outside is
said in `detect.postprocess`: seconds, suppression.  Files of graphs are run by `detect.exported`.

Shapes: N clips of L frames, H W pixels; C channels, K cells per clip, T cells; P candidates,
J classes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from untrimmed.core.errors import UserError
from untrimmed.nn.detector import Detector
from untrimmed.nn.protocols import Encoder
from untrimmed.tensors import Candidates, Padded


class Lengths(NamedTuple):
    """How many clips or cells a graph takes: a multiple of `unit`, from `least` on.

    most: None for no end.
    """

    least: int
    most: int | None
    unit: int = 1


Found = tuple[Float[Tensor, "1 P 2"], Float[Tensor, "1 P J"]]
"""Segments and scores of `Candidates`."""


class Encoding(nn.Module):
    """Clips of pixels to features, each clip on its own."""

    inputs = ("frames",)
    outputs = ("features",)

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: UInt8[Tensor, "N 3 L H W"]) -> Float[Tensor, "N C K"]:
        """Encode pixels, 0 to 255."""
        return self.encoder(frames)


class Locating(nn.Module):
    """Features of a window to its candidates; of a `Detector` all that follows the encoder."""

    inputs = ("features", "cells")
    outputs = Candidates._fields

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.temporal = detector.temporal
        self.head = detector.head

    def forward(self, features: Float[Tensor, "1 C T"], cells: Int64[Tensor, "1"]) -> Found:
        """Find candidates.

        Args:
            cells: how many of the cells, from the first on, are of the video; what stands behind
                them has no influence.
        """
        T = features.shape[2]
        valid = torch.arange(T, device=features.device) < cells[:, None]
        pyramid = self.temporal(Padded.of(features, valid))
        found = self.head.candidates(self.head(pyramid))
        return found.segments, found.scores


class Padding(nn.Module):
    """A `Locating` for any number of cells, of a network that does not see padding.

    Its window is made a whole number of `unit` cells, two at least, inside the graph: so all levels
    have lengths that follow from the number of units alone.
    """

    inputs = Locating.inputs
    outputs = Locating.outputs

    def __init__(self, locating: Locating, *, unit: int) -> None:
        super().__init__()
        self.locating = locating
        self.unit = unit

    def forward(self, features: Float[Tensor, "1 C T"], cells: Int64[Tensor, "1"]) -> Found:
        """As `Locating.forward`."""
        T = features.shape[2]
        units = (T + 2 * self.unit - 1) // self.unit
        found: Found = self.locating(F.pad(features, (0, units * self.unit - T)), cells)
        return found


class Whole(nn.Module):
    """Clips of a window, from its start on, to its candidates."""

    inputs = ("frames", "cells")
    outputs = Locating.outputs
    encoding: Encoding

    def __init__(self, encoding: Encoding, locating: Padding | Locating) -> None:
        super().__init__()
        self.encoding = encoding
        self.locating = locating

    def forward(self, frames: UInt8[Tensor, "N 3 L H W"], cells: Int64[Tensor, "1"]) -> Found:
        """Encode all clips and find candidates.

        Args:
            cells: as of `Locating.forward`; N K if every frame is of the video.
        """
        features: Tensor = self.encoding(frames)  # (N, C, K)
        found: Found = self.locating(features.transpose(0, 1).flatten(1)[None], cells)
        return found


Graph = Encoding | Locating | Padding | Whole


def traced(graph: Graph, size: tuple[int, ...], *, lengths: Lengths) -> ExportedProgram:
    """The operations of a graph, for every number of clips or cells at once.

    Args:
        graph: in evaluation, on the CPU, in float32.
        size: of what it takes first, but for its length: (3, L, H, W) of a clip, or (C,).

    Raises:
        UserError: if there is something in the network that depends on the length in another way
            than a graph can say.
    """
    least = -(-lengths.least // lengths.unit)
    most = None if lengths.most is None else lengths.most // lengths.unit
    count = max(least, 8) if most is None else min(max(least, 8), most)
    name = Dim("length", min=least, max=most) if most != least else None  # else it is fixed
    length = lengths.unit * name if name is not None and lengths.unit > 1 else name
    cells = torch.ones(1, dtype=torch.long)
    if graph.inputs[0] == "frames":
        inputs = (torch.zeros(count, *size, dtype=torch.uint8), cells)
        shapes: dict[str, Any] = {"frames": {0: length}, "cells": None}
    else:
        inputs = (torch.zeros(1, *size, count * lengths.unit), cells)
        shapes = {"features": {2: length}, "cells": None}
    kept = len(graph.inputs)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(
                graph,
                inputs[:kept],
                dynamic_shapes={key: shapes[key] for key in graph.inputs},
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"this network cannot be exported for any length: {str(error).partition(chr(10))[0]}"
        ) from error


def write_onnx(program: ExportedProgram, graph: Graph, path: Path) -> None:
    """Write traced operations as ONNX.

    Raises:
        UserError: if the packages for that are not here, or ONNX lacks an operation.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError("ONNX needs further packages: pip install 'untrimmed[export]'") from error
    try:
        with _quiet():
            converted = torch.onnx.export(
                program,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        why = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(f"this network cannot be written as ONNX: {why}") from error
    cast(torch.onnx.ONNXProgram, converted).save(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch says to its own developers."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)

"""Detections as an Apache Parquet file: a row for each, columns as in `formats.csv`.

Needs pyarrow: `pip install 'untrimmed[parquet]'`.  A video without detections leaves no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError, UserError
from untrimmed.core.files import written_whole
from untrimmed.sources.formats.csv import DETECTION_COLUMNS


def write_detections(
    detections: Mapping[str, Detections], classes: Sequence[str], path: Path
) -> None:
    """A file that `read_detections` gives back.

    Raises:
        UserError: if pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = (text, text, pyarrow.float64(), pyarrow.float64(), pyarrow.float64())
    schema = pyarrow.schema(list(zip(DETECTION_COLUMNS, kinds, strict=True)))
    names = pyarrow.array(list(classes), pyarrow.string())
    with written_whole(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for id, found in detections.items():
            whose = np.zeros(len(found), np.int32)
            columns = [
                pyarrow.DictionaryArray.from_arrays(whose, pyarrow.array([id], pyarrow.string())),
                pyarrow.DictionaryArray.from_arrays(found.labels.astype(np.int32), names),
                *(pyarrow.array(side) for side in (*found.segments_s.T, found.scores)),
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))


def read_detections(path: Path, classes: Sequence[str]) -> dict[str, Detections]:
    """Detections by video, in the order of the file.

    Args:
        classes: names by label, those of the ground truth.

    Raises:
        FormatError: if the file is no such table, or a label is not among the classes.
        UserError: if pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path, columns=list(DETECTION_COLUMNS))
        columns = [table[name].to_pylist() for name in DETECTION_COLUMNS]
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise FormatError(f"no Parquet table of detections: {error}", file=path) from error
    labels = {name: label for label, name in enumerate(classes)}
    rows: dict[str, list[tuple[float, float, int, float]]] = {}
    for id, name, start_s, end_s, score in zip(*columns, strict=True):
        if name not in labels:
            raise FormatError(
                f"{name!r} is none of the {len(labels)} classes of the data set", file=path
            )
        rows.setdefault(id, []).append((start_s, end_s, labels[name], score))
    return {
        id: Detections(
            [row[:2] for row in some], [row[2] for row in some], [row[3] for row in some]
        )
        for id, some in rows.items()
    }


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            "Parquet needs pyarrow, which is not installed: pip install 'untrimmed[parquet]'"
        ) from error
    return pyarrow, parquet

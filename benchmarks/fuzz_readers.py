"""Feed damaged files to every annotation reader: nothing but FormatError may come out.

    python benchmarks/fuzz_readers.py --inputs 100000 [--samples DIR]

Each input is a small valid file with some damage, given to a reader drawn at random, half of the
time to one that can read it whole.  The files are what our own writers make of two videos, and
those of `DIR`.  Each error must name the file, and a place in it: a line, a path into the JSON, a
row; but for an archive that cannot be opened there is none.  What is wrong is printed with the
input's number; the same `--seed` makes it again.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.errors import FormatError
from untrimmed.sources import formats

Reader = Callable[[Path], Any]

OPTIONS: dict[str, dict[str, Any]] = {
    "cvat": {"fps": 30.0},
    "label_studio": {"fps": 30.0},
    "fiftyone": {"fps": 30.0},
}
"""What some readers must be told beside the file."""

WRITING: dict[str, dict[str, Any]] = {
    "cvat": {"fps": 30.0, "size": (240, 320)},
    "label_studio": {"fps": 30.0, "media": {"v1": "v1.mp4", "v2": "v2.mp4"}},
    "thumos14": {"split": "test"},
}
"""What some writers must be told beside the annotations."""

PLACELESS = ("the archive", "annotations.xml has more")
"""How messages begin that can name no place in the file."""

TOKENS = [
    *(b"0", b"-1", b"1e999", b"nan", b"null", b"true", b'""', b"[]", b"{}", b"{", b"]", b","),
    *(
        b"\n",
        b"\x00",
        b"\xff\xfe",
        b"<a>",
        b"</a>",
        b"&x;",
        b"<!DOCTYPE a>",
        b"99999999999999999999",
    ),
]


def readers() -> dict[str, Reader]:
    """Every module of `sources.formats` that reads, by its name."""
    found: dict[str, Reader] = {}
    for info in pkgutil.iter_modules(formats.__path__):
        module = importlib.import_module(f"{formats.__name__}.{info.name}")
        if hasattr(module, "read"):
            options = OPTIONS.get(info.name, {})
            found[info.name] = lambda path, read=module.read, options=options: read(path, **options)
    return found


def write_samples(folder: Path) -> None:
    """Valid files of every format that can be written."""
    videos = {
        id: Video(id=id, duration_s=10.0, actions=Actions([(1.2, 3.4), (5.1, 8.0)], labels))
        for id, labels in (("v1", [0, 1]), ("v2", [1, 1]))
    }
    annotations = Annotations(("pour", "wave"), videos)
    for info in pkgutil.iter_modules(formats.__path__):
        module = importlib.import_module(f"{formats.__name__}.{info.name}")
        write = getattr(module, "write", None) or module.export
        table = info.name in ("charades", "epic_kitchens")  # else a folder by split
        target = folder / info.name / (f"{info.name}.csv" if table else "sample")
        write(annotations, target, **WRITING.get(info.name, {}))
    with zipfile.ZipFile(folder / "cvat.zip", "w") as archive:
        archive.write(folder / "cvat" / "sample" / "v1.xml", "annotations.xml")


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A file with one to four things wrong."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        at, other = sorted(random.integers(0, len(data) + 1, 2).tolist())
        match int(random.integers(6)):
            case 0:
                del data[at : at + int(random.integers(1, 20))]
            case 1:
                data[at:at] = bytes(random.integers(0, 256, int(random.integers(1, 6)), np.uint8))
            case 2:
                data[at:at] = TOKENS[int(random.integers(len(TOKENS)))]
            case 3:
                data[at:other] = TOKENS[int(random.integers(len(TOKENS)))]
            case 4:
                data[at:at] = data[at:other]
            case 5:
                del data[at:]
        data = data[:20_000]
    return bytes(data)


def kind_of(error: FormatError, path: Path) -> str:
    """A message without what differs from file to file."""
    message = str(error).removeprefix(f"{path}: ")
    return re.sub(r"'[^']*'|\"[^\"]*\"|-?\d+(\.\d+)?", "…", message)[:100]


def matches(read: Reader, path: Path) -> bool:
    """Whether a reader reads a valid file."""
    try:
        read(path)
    except FormatError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--samples", type=Path, default=None)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_samples(Path(folder) / "samples")
        samples = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        if options.samples is not None:
            samples += sorted(path for path in options.samples.iterdir() if path.is_file())
        (Path(folder) / "inputs").mkdir()
        wrong = fuzz(samples, Path(folder) / "inputs", inputs=options.inputs, seed=options.seed)
    raise SystemExit(1 if wrong else 0)


def fuzz(samples: list[Path], folder: Path, *, inputs: int, seed: int) -> int:
    """Number of inputs that ended as none may; what became of all is printed."""
    known = readers()
    fitting = {path: [n for n, read in known.items() if matches(read, path)] for path in samples}
    print(f"{len(known)} readers, {len(samples)} samples; read whole by")
    for path, names in fitting.items():
        print(f"  {path.name}: {', '.join(names) or 'none'}")
    results: Counter[str] = Counter()
    unplaced: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(inputs):
        random = np.random.default_rng([seed, number])
        sample = samples[int(random.integers(len(samples)))]
        names = fitting[sample] if random.random() < 0.5 else []
        name = str(random.choice(names or list(known)))
        path = folder / sample.name
        path.write_bytes(damaged(sample.read_bytes(), random))
        try:
            results["read with a fault" if known[name](path).faults else "read"] += 1
        except FormatError as error:
            results["refused"] += 1
            results["refused without naming the file"] += str(path) not in str(error)
            if error.place is None:
                unplaced[kind_of(error, path)] += 1
        except Exception as error:
            results["WRONG"] += 1
            print(f"input {number}: {name} on {sample.name}: {type(error).__name__}: {error}")
        path.unlink()  # some readers look at what lies beside
    print(f"{inputs} inputs in {time.monotonic() - began:.0f} s: {dict(results)}")
    print(f"{unplaced.total()} refused without a place in the file:")
    for kind, count in unplaced.most_common():
        print(f"  {count:6} {kind}")
    without = sum(count for kind, count in unplaced.items() if not kind.startswith(PLACELESS))
    return results["WRONG"] + results["refused without naming the file"] + without


if __name__ == "__main__":
    main()

"""Feed damaged files to every annotation reader: nothing but FormatError may come out.

    python benchmarks/fuzz_readers.py --samples DIR --inputs 100000

`DIR` holds small valid files of as many formats as there are at hand.  Each input is one of them
with some damage, given to a reader drawn at random, half of the time to one that can read it
whole.  What is wrong is printed with the input's number; the same `--seed` makes it again.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from untrimmed.core.errors import FormatError
from untrimmed.sources import formats

Reader = Callable[[Path], Any]

OPTIONS: dict[str, dict[str, Any]] = {
    "cvat": {"fps": 30.0},
    "label_studio": {"fps": 30.0},
    "fiftyone": {"fps": 30.0},
}
"""What some readers must be told beside the file."""

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


def matches(read: Reader, path: Path) -> bool:
    """Whether a reader reads a valid file."""
    try:
        read(path)
    except FormatError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known = readers()
    samples = sorted(path for path in options.samples.iterdir() if path.is_file())
    fitting = {path: [n for n, read in known.items() if matches(read, path)] for path in samples}
    print(f"{len(known)} readers, {len(samples)} samples; read whole by")
    for path, names in fitting.items():
        print(f"  {path.name}: {', '.join(names) or 'none'}")

    results: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.inputs):
            random = np.random.default_rng([options.seed, number])
            sample = samples[int(random.integers(len(samples)))]
            names = fitting[sample] if random.random() < 0.5 else []
            name = str(random.choice(names or list(known)))
            path = Path(folder) / sample.name
            path.write_bytes(damaged(sample.read_bytes(), random))
            try:
                known[name](path)
                results["read"] += 1
            except FormatError as error:
                results["refused"] += 1
                results["refused without naming the file"] += folder not in str(error)
            except Exception as error:
                results["WRONG"] += 1
                print(f"input {number}: {name} on {sample.name}: {type(error).__name__}: {error}")
    print(f"{options.inputs} inputs in {time.monotonic() - began:.0f} s: {dict(results)}")
    raise SystemExit(1 if results["WRONG"] else 0)


if __name__ == "__main__":
    main()

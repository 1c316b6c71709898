"""Where golden numbers are: `pytest tests/golden --golden DIR`, or the small copies beside this.

A folder given by hand must hold every file that a test asks for; of the small copies some are
left out for their size, and the tests that need those are skipped.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

SMALL = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def golden_file(request):
    """A function from a name such as "tallformer/thumos_loss.npz" to its path."""
    given = request.config.getoption("--golden", default=None)

    def find(name):
        path = (SMALL if given is None else given) / name
        if given is None and not path.exists():
            pytest.skip(f"{name} is not among the small copies; give --golden DIR")
        return path

    return find


@pytest.fixture(scope="session")
def golden(golden_file):
    """A function from a name such as "tallformer/thumos_loss.npz" to its arrays by key."""
    read = {}

    def load(name):
        if name not in read:
            path = golden_file(name)
            if path.suffix == ".json":
                read[name] = json.loads(path.read_text())
            else:
                with np.load(path, allow_pickle=False) as arrays:
                    read[name] = {key: arrays[key] for key in arrays.files}
        return read[name]

    return load


@pytest.fixture(scope="session")
def procedural():
    """A function from the authors' key of a weight, its shape and the file's seed to its values.

    Files of full size hold no weights: both sides compute them so.  What has more than one
    dimension is multiplied by the gain of the file.
    """

    def weight(key, shape, *, seed, gain=1.0):
        state = (zlib.crc32(key.encode()) ^ ((seed * 2654435761) & 0xFFFFFFFF)) & 0xFFFFFFFF
        drawn = np.random.RandomState(state).standard_normal(shape).astype(np.float32)
        leaf = key.split(".")[-1]
        if leaf == "running_var":
            return 1 + 0.5 * np.abs(drawn)
        if leaf == "relative_position_bias_table":
            return 0.5 * drawn
        if len(shape) > 1:
            return (drawn / np.sqrt(np.prod(shape[1:])) * gain).astype(np.float32)
        return 1 + 0.1 * drawn if leaf in ("weight", "scale") else 0.1 * drawn

    return weight


def assert_close(actual, wanted, *, rtol=1e-4, atol_of_max=2e-5):
    """Within `rtol`, or within `atol_of_max` times the largest wanted value."""
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    assert actual.shape == wanted.shape
    scale = float(np.abs(wanted).max()) if wanted.size else 0.0
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=atol_of_max * scale)

"""Where golden numbers are: `pytest tests/golden --golden DIR`, or the small copies beside this.

A folder given by hand must hold every file that a test asks for; of the small copies some are
left out for their size, and the tests that need those are skipped.
"""

import json
from pathlib import Path

import numpy as np
import pytest

SMALL = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def golden(request):
    """A function from a name such as "tallformer/thumos_loss.npz" to its arrays by key."""
    given = request.config.getoption("--golden", default=None)
    folder = SMALL if given is None else given
    read = {}

    def load(name):
        if name not in read:
            path = folder / name
            if given is None and not path.exists():
                pytest.skip(f"{name} is not among the small copies; give --golden DIR")
            if path.suffix == ".json":
                read[name] = json.loads(path.read_text())
            else:
                with np.load(path, allow_pickle=False) as arrays:
                    read[name] = {key: arrays[key] for key in arrays.files}
        return read[name]

    return load


def assert_close(actual, wanted, *, rtol=1e-4, atol_of_max=2e-5):
    """Within `rtol`, or within `atol_of_max` times the largest wanted value."""
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    assert actual.shape == wanted.shape
    scale = float(np.abs(wanted).max()) if wanted.size else 0.0
    np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=atol_of_max * scale)

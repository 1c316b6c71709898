"""Options of the test run, and one thread per process: the suite runs on small machines."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def pytest_addoption(parser):
    parser.addoption(
        "--golden", type=Path, default=None, help="folder laid out as tests/golden/data"
    )
    parser.addoption(
        "--shared",
        type=Path,
        default=Path(__file__).parents[2] / "shared",
        help="folder with data/ of real annotations; beside the repository if not given",
    )


@pytest.fixture(scope="session")
def shared(request):
    """A function from a path such as "data/annotations/x.json" to that file, or a skip."""

    def file(name):
        path = request.config.getoption("--shared") / name
        if not path.exists():
            pytest.skip(f"{name} is not here; give --shared DIR")
        return path

    return file

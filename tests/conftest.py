"""Options of the test run, and one thread per process: the suite runs on small machines."""

from pathlib import Path

import torch

torch.set_num_threads(1)


def pytest_addoption(parser):
    parser.addoption(
        "--golden", type=Path, default=None, help="folder laid out as tests/golden/data"
    )

"""Two processes come to what one does with the whole batch; everything runs in real processes."""

import subprocess
import sys

import pytest
import torch

from tests.train.in_two_processes import MODELS, B, everything
from untrimmed.core.errors import ConfigError
from untrimmed.train.distributed import ALONE, Processes, joined


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return everything(ALONE, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of two processes came to."""
    folder = tmp_path_factory.mktemp("both")
    script = sys.modules["tests.train.in_two_processes"].__file__
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", script, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"{number}.pt") for number in range(2)]


def close(found, wanted, *, within=1e-12):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=within, atol=within, msg=name)


def test_a_norm_over_the_batch_is_over_all_processes(alone, both):
    wanted = alone["normed"]
    for number, each in enumerate(part["normed"] for part in both):
        own = slice(2 * number, 2 * number + 2)
        close({"y": each["y"]}, {"y": wanted["y"][own]})
        close({"gradient": each["gradient"]}, {"gradient": wanted["gradient"][own]})
        close(each["weights"], wanted["weights"])
        close(each["state"], wanted["state"])


@pytest.mark.parametrize("name", MODELS)
def test_losses_add_up_and_gradients_are_those_of_the_whole(alone, both, name):
    wanted, (first, second) = alone[name], (part[name] for part in both)
    summed = {key: first["losses"][key] + second["losses"][key] for key in first["losses"]}
    close(summed, wanted["losses"], within=1e-6)  # losses are taken in float32
    close(first["gradient"], wanted["gradient"], within=1e-6)
    assert any(gradient.abs().max() > 1e-3 for gradient in wanted["gradient"].values())
    for part in (first, second):
        if wanted["positives"] is not None:
            close({"positives": part["positives"]}, {"positives": wanted["positives"]})


def test_pytorchs_own_wrapper_gives_the_same_gradient(alone, both):
    close(both[0]["wrapped"], alone["wrapped"], within=1e-6)
    close(both[1]["wrapped"], both[0]["wrapped"], within=0)


def test_the_loss_curve_is_that_of_one_process(alone, both):
    for part in both:
        for found, wanted in zip(part["trained"]["steps"], alone["trained"]["steps"], strict=True):
            assert found["losses"] == pytest.approx(wanted["losses"], rel=1e-6)
            assert found["norm"] == pytest.approx(wanted["norm"], rel=1e-6)
            assert (found["clips"], found["age"]) == (wanted["clips"], wanted["age"])
        close(part["trained"]["weights"], alone["trained"]["weights"], within=1e-6)


def test_every_process_remembers_the_same(alone, both):
    first, second = (part["trained"] for part in both)
    for name in ("bank", "written"):
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], alone["trained"][name], rtol=1e-5, atol=1e-5)
    assert (first["written"] == 2).any()


def test_a_process_by_itself_is_alone():
    with joined() as processes:
        assert processes == ALONE
        assert processes.gathered("x") == ["x"]


def test_shares_are_neighbours_in_order():
    shares = [Processes(number, 3).share(range(6)) for number in range(3)]
    assert [list(share) for share in shares] == [[0, 1], [2, 3], [4, 5]]


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="4 windows do not divide among 3 processes"):
        Processes(0, 3).share(range(B))


def test_other_processes_draw_other_numbers():
    drawn = []
    for number in (0, 1, 1, 2):
        torch.manual_seed(0)
        Processes(number, 3).seed_apart(4, 5)
        drawn.append(float(torch.rand(())))
    assert drawn[1] == drawn[2]
    assert len(set(drawn)) == 3
    torch.manual_seed(0)
    assert drawn[0] == float(torch.rand(()))

"""Two linear maps, some cells at a time."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.layers.mlp import MLP


@pytest.fixture
def mlp():
    torch.manual_seed(0)
    return MLP(3, hidden=7).double()


def plain(mlp, x):
    return mlp.narrow(F.gelu(mlp.widen(x)))


@pytest.mark.parametrize("T", [1, 5, 700])
def test_results_and_gradients_are_those_of_its_maps(mlp, T):
    x = torch.randn(2, T, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn_like(x)
    leaves = (x, *mlp.parameters())
    torch.testing.assert_close(mlp(x), plain(mlp, x))
    for found, wanted in zip(
        torch.autograd.grad(mlp(x), leaves, upstream),
        torch.autograd.grad(plain(mlp, x), leaves, upstream),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)


def test_without_gradients_it_gives_the_same(mlp):
    x = torch.randn(2, 700, 3, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(mlp(x), plain(mlp, x))


@pytest.mark.parametrize("learns", [True, False])
def test_of_some_rows_results_and_gradients_are_theirs_alone(mlp, learns):
    x = torch.randn(1, 2000, 3, dtype=torch.float64, requires_grad=learns)
    rows = (slice(5, 1300), slice(1900, 1902))
    wanted = torch.zeros(1, 2000, 1, dtype=torch.bool)
    for row in rows:
        wanted[0, row] = True
    with torch.set_grad_enabled(learns):
        found, right = mlp(x, rows=rows), plain(mlp, x) * wanted
    torch.testing.assert_close(found, right)
    if learns:
        upstream = torch.randn_like(x) * wanted
        leaves = (x, *mlp.parameters())
        gradients = (torch.autograd.grad(each, leaves, upstream) for each in (found, right))
        torch.testing.assert_close(*gradients)


def test_under_autocast_it_computes_in_the_lower_precision(mlp):
    mlp, x = mlp.float(), torch.randn(2, 4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        out = mlp(x)
        assert out.dtype == plain(mlp, x).dtype == torch.bfloat16
    out.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in mlp.parameters())


def test_dropout_acts_in_training_alone():
    mlp = MLP(3, hidden=7, dropout=0.5)
    x = torch.randn(1, 400, 3)
    assert (mlp(x) == 0).float().mean() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(mlp.eval()(x), mlp(x))

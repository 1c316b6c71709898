import pytest
import torch
from torch import nn

from untrimmed.nn.layers.droppath import DropPath, Residual, draw_keep, drop_path


def test_a_branch_is_left_out_for_whole_samples_and_scaled_for_others():
    branch = torch.ones(3, 2, 4)
    out = drop_path(branch, keep=torch.tensor([True, False, True]), rate=0.2)
    assert out[:, 0, 0].tolist() == [1.25, 0.0, 1.25]
    assert torch.equal(out, out[:, :1, :1].expand(3, 2, 4))


def test_what_is_left_out_gets_no_gradient():
    branch = torch.ones(2, 3, requires_grad=True)
    drop_path(branch, keep=torch.tensor([False, True]), rate=0.5).sum().backward()
    assert branch.grad.tolist() == [[0.0] * 3, [2.0] * 3]


def test_each_draw_has_its_own_rate():
    rates = [0.0, 0.1, 0.6, 0.95]
    keep = draw_keep(rates, 20000, generator=torch.Generator().manual_seed(0))
    assert keep[0].all()
    assert (1 - keep.double().mean(1)).tolist() == pytest.approx(rates, abs=0.015)


def test_the_same_generator_draws_the_same():
    first, second = (
        draw_keep([0.5, 0.3], 40, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_nothing_to_draw_gives_no_rows():
    assert draw_keep([], 3).shape == (0, 3)


def test_the_mean_over_draws_is_the_branch():
    torch.manual_seed(0)
    out = DropPath(0.3).train()(torch.ones(20000, 1))
    assert float(out.mean()) == pytest.approx(1, abs=0.02)


def test_nothing_is_left_out_in_evaluation():
    branch = torch.randn(5, 2)
    assert DropPath(0.9).eval()(branch) is branch


def test_a_rate_of_zero_draws_nothing():
    state = torch.get_rng_state()
    branch = torch.randn(0, 2)
    assert DropPath(0.0).train()(branch) is branch
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_an_impossible_rate_is_refused(rate):
    with pytest.raises(ValueError, match=r"not in \[0, 1\)"):
        DropPath(rate)


def test_the_dtype_of_the_branch_is_kept():
    branch = torch.ones(2, 3, dtype=torch.bfloat16)
    assert drop_path(branch, keep=torch.ones(2).bool(), rate=0.1).dtype == torch.bfloat16


def residual(*, rate, scale=0.5):
    residual = Residual(3, rate=rate)
    if residual.scale is not None:
        nn.init.constant_(residual.scale, scale)
    return residual


def test_a_residual_is_the_stream_and_the_scaled_branch_in_evaluation():
    stream, branch = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    out = residual(rate=0.3).eval()(stream, lambda _: branch)
    torch.testing.assert_close(out, stream + branch / 2)


def test_a_residual_that_drops_nothing_has_no_scale():
    assert list(residual(rate=0.0).parameters()) == []
    stream, branch = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    assert torch.equal(residual(rate=0.0)(stream, lambda _: branch), stream + branch)


def test_a_branch_is_computed_for_the_rows_that_keep_it_and_kept_in_expectation():
    torch.manual_seed(0)
    stream = torch.zeros(1000, 2, 3)
    computed = []

    def branch(rows):
        computed.append(len(rows))
        return torch.ones(len(rows), 2, 3)

    out = residual(rate=0.3, scale=1.0)(stream, branch)
    kept = out[:, 0, 0] > 0
    assert computed == [int(kept.sum())]
    assert 650 < computed[0] < 750
    torch.testing.assert_close(out[kept], torch.full((computed[0], 2, 3), 1 / 0.7))
    assert out[~kept].abs().max() == 0


@pytest.mark.parametrize("seed", range(6))
def test_the_gradient_of_a_branch_is_that_of_a_masked_one(seed):
    stream, branch = (torch.randn(3, 2, 3, requires_grad=True) for _ in range(2))
    part = residual(rate=0.5)
    torch.manual_seed(seed)
    out = part(stream, lambda rows: branch if rows is None else branch[rows])
    torch.manual_seed(seed)
    keep = draw_keep([0.5], 3)[0]
    wanted = stream + drop_path(branch, keep=keep, rate=0.5) * part.scale
    torch.testing.assert_close(out, wanted)
    leaves = (stream, branch, part.scale)
    for found, right in zip(
        torch.autograd.grad(out.sin().sum(), leaves),
        torch.autograd.grad(wanted.sin().sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize("seed", range(6))
def test_a_stream_in_half_precision_is_summed_in_that_of_the_scale(seed):
    torch.manual_seed(seed)
    stream = torch.ones(3, 2, 3).bfloat16()
    out = residual(rate=0.5, scale=1e-4)(
        stream, lambda rows: stream if rows is None else stream[rows]
    )
    assert out.dtype == torch.float32
    torch.testing.assert_close(out - 1, ((out > 1) * 2e-4).float(), atol=1e-6, rtol=0)

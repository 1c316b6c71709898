import pytest
import torch

from untrimmed.nn.layers.droppath import DropPath, draw_keep, drop_path


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

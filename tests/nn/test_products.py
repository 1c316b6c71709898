"""Linear maps by whichever library is faster, against PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.ops.products import arranged, linear, packed, times
from untrimmed.nn.ops.runs import joined

C, D = 24, 40


def drawn(cells):
    torch.manual_seed(0)
    parts = (torch.randn(cells, C), torch.randn(D, C), torch.randn(D))
    return [part.requires_grad_() for part in parts], torch.randn(cells, D)


@pytest.mark.parametrize("cells", [0, 1, 7, 1500])
def test_results_and_gradients_are_those_of_a_linear_map(cells):
    parts, upstream = drawn(cells)
    y, wanted = linear(*parts), F.linear(*parts)
    torch.testing.assert_close(y, wanted, atol=1e-5, rtol=1e-5)
    found, right = (torch.autograd.grad(each, parts, upstream) for each in (y, wanted))
    torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("cells", [7, 1500])
def test_without_gradients_it_gives_the_same(cells):
    parts, _ = drawn(cells)
    with torch.no_grad():
        torch.testing.assert_close(linear(*parts), F.linear(*parts), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [(slice(0, 20), slice(50, 60)), (slice(5, 100),), ()])
def test_of_some_rows_results_and_gradients_are_theirs_alone(rows):
    parts, upstream = drawn(100)
    y, wanted = linear(*parts, rows=rows), F.linear(*parts)
    upstream = joined([upstream[row] for row in rows], rows, out=torch.empty_like(upstream))
    for row in rows:
        torch.testing.assert_close(y[row], wanted[row], atol=1e-5, rtol=1e-5)
    found, right = (torch.autograd.grad(each, parts, upstream) for each in (y, wanted))
    torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-5)


def test_rows_that_are_not_wanted_are_finite():
    parts, _ = drawn(100)
    assert linear(*parts, rows=(slice(3, 9),)).isfinite().all()


def test_double_precision_stays():
    parts, _ = drawn(5)
    exact = [part.double() for part in parts]
    torch.testing.assert_close(linear(*exact), F.linear(*exact))


@pytest.mark.parametrize("learns", [True, False])
def test_under_autocast_it_computes_in_the_lower_precision(learns):
    parts, upstream = drawn(1500)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(learns):
        y = linear(*parts)
        wanted = F.linear(*parts)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y, wanted, atol=0.05, rtol=0.02)
    if learns:
        y.backward(upstream.bfloat16())
        assert all(part.grad.dtype == torch.float32 for part in parts)


def test_a_packed_weight_multiplies_like_itself():
    (x, weight, bias), _ = drawn(9)
    with torch.no_grad():
        torch.testing.assert_close(times(x, packed(weight), bias), F.linear(x, weight, bias))
        torch.testing.assert_close(times(x, packed(weight.double().float())), x @ weight.t())
        assert arranged(weight, cells=9) is weight  # packing would take longer than the product


def test_a_gelu_follows_if_wanted():
    (x, weight, bias), _ = drawn(9)
    with torch.no_grad():
        y = times(x, weight, bias, gelu=True)
        torch.testing.assert_close(y, F.gelu(F.linear(x, weight, bias)), atol=1e-5, rtol=1e-5)


def test_a_second_derivative_is_right_or_refused():
    def second(mapped):
        parts, _ = drawn(9)
        (slope,) = torch.autograd.grad(mapped(*parts).square().sum(), parts[0], create_graph=True)
        slope.square().sum().backward()
        return [part.grad for part in parts]

    try:
        found = second(linear)
    except RuntimeError as error:  # where oneDNN multiplies
        if "once_differentiable" not in str(error):
            raise
    else:
        torch.testing.assert_close(found, second(F.linear))

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.nn.ops.segments import decode, encode, intersection, iof, iou, paired_iou


@st.composite
def some_segments(draw, least=1e-2):
    starts = st.floats(-100, 100)
    lengths = st.floats(least, 100)
    pairs = draw(st.lists(st.tuples(starts, lengths), min_size=1, max_size=5))
    return torch.tensor([(start, start + length) for start, length in pairs], dtype=torch.float64)


def test_overlap_is_shared_over_joint_length():
    a = torch.tensor([[0.0, 4.0], [10.0, 12.0]])
    b = torch.tensor([[1.0, 3.0], [3.0, 8.0], [-2.0, 13.0]])
    assert iou(a, b).tolist() == [
        pytest.approx([2 / 4, 1 / 8, 4 / 15]),
        pytest.approx([0, 0, 2 / 15]),
    ]


def test_share_inside_is_of_the_first():
    a = torch.tensor([[0.0, 4.0], [10.0, 12.0]])
    b = torch.tensor([[1.0, 3.0], [3.0, 8.0], [-2.0, 13.0]])
    assert iof(a, b).tolist() == [[0.5, 0.25, 1], [0, 0, 1]]


def test_a_segment_without_length_overlaps_nothing_not_even_itself():
    point = torch.tensor([[2.0, 2.0]])
    assert iou(point, torch.tensor([[2.0, 2.0], [0.0, 5.0]])).tolist() == [[0, 0]]
    assert iof(point, torch.tensor([[0.0, 5.0]])).tolist() == [[0]]


def test_no_segments_have_no_overlaps():
    assert iou(torch.zeros(0, 2), torch.ones(3, 2)).shape == (0, 3)
    assert iof(torch.ones(3, 2), torch.zeros(0, 2)).shape == (3, 0)


def test_segments_apart_share_nothing():
    assert intersection(torch.tensor([0.0, 1.0]), torch.tensor([5.0, 9.0])) == 0


@given(some_segments(), some_segments())
def test_overlap_is_symmetric_and_knows_no_unit_and_no_origin(a, b):
    assert torch.equal(iou(a, b), iou(b, a).T)
    assert torch.allclose(iou(a, b), iou(3 * a + 7, 3 * b + 7), atol=1e-9)


@given(some_segments(), some_segments())
def test_overlaps_side_by_side_are_some_of_all_overlaps(a, b):
    n = min(len(a), len(b))
    assert torch.equal(paired_iou(a[:n], b[:n]), iou(a, b).diagonal())


@given(some_segments(), some_segments())
def test_decoding_inverts_encoding(anchors, segments):
    n = min(len(anchors), len(segments))
    deltas = encode(anchors[:n], segments[:n])
    assert torch.allclose(decode(anchors[:n], deltas), segments[:n], atol=1e-8)


def test_the_way_is_counted_in_lengths_of_the_anchor():
    deltas = encode(torch.tensor([[0.0, 4.0]]), torch.tensor([[3.0, 5.0]]))
    assert deltas.tolist() == [pytest.approx([0.5, math.log(0.5)])]


def test_no_move_leaves_the_anchor():
    anchors = torch.tensor([[-3.0, 5.0], [2.0, 2.5]])
    assert torch.equal(decode(anchors, torch.zeros(2, 2)), anchors)


def test_growth_is_cut_and_gets_no_gradient_beyond():
    deltas = torch.tensor([[0.0, 0.9], [0.0, 5.0]], requires_grad=True)
    segments = decode(torch.tensor([[0.0, 2.0]]), deltas, max_growth=1.0)
    lengths = segments[:, 1] - segments[:, 0]
    lengths.sum().backward()
    assert lengths.tolist() == pytest.approx([2 * math.exp(0.9), 2 * math.e])
    assert deltas.grad[:, 1].tolist() == pytest.approx([2 * math.exp(0.9), 0])

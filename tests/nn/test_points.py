import pytest
import torch

from untrimmed.nn.ops import points as points_module
from untrimmed.nn.ops.points import Points, lessons, point_segments

K = 3


def level(count=12, *, stride=1, reach=(0.0, 100.0)):
    return Points.of_level(count, stride=stride, reach=reach)


def joined(*levels):
    return Points(*(torch.cat(field) for field in zip(*levels, strict=True)))


def learned(points, *triples, centre_radius=None):
    """Per point: its classes, and its distances if it has any."""
    segments = torch.tensor([triple[:2] for triple in triples]).reshape(-1, 2)
    labels = torch.tensor([triple[2] for triple in triples], dtype=torch.long)
    given = lessons(points, segments, labels, classes=K, centre_radius=centre_radius)
    classes = [column.nonzero().flatten().tolist() for column in given.labels.T]
    return [
        (found, distances) if found else None
        for found, distances in zip(classes, given.distances.T.tolist(), strict=True)
    ]


def where(points, *triples, centre_radius=None):
    """The positions that find something."""
    found = learned(points, *triples, centre_radius=centre_radius)
    return [at for at, one in zip(points.positions.tolist(), found, strict=True) if one is not None]


def test_a_point_stands_at_the_first_of_its_cells():
    points = level(3, stride=4)
    assert points.positions.tolist() == [0, 4, 8]
    assert points.strides.tolist() == [4, 4, 4]


def test_without_actions_there_is_nothing_to_find():
    given = lessons(
        level(5),
        torch.zeros(0, 2),
        torch.zeros(0, dtype=torch.long),
        classes=K,
        centre_radius=1.5,
    )
    assert given.labels.shape == (K, 5)
    assert given.labels.abs().max() == 0
    assert given.distances.abs().max() == 0


def test_distances_are_told_in_strides():
    found = learned(level(6, stride=4), (3.0, 10.0, 2))
    assert found == [None, ([2], [0.25, 1.5]), ([2], [1.25, 0.5]), None, None, None]


def test_a_point_at_the_end_of_an_action_does_not_find_it():
    assert where(level(), (3.0, 6.0, 0)) == [4, 5]


def test_an_action_between_two_points_or_without_length_is_found_by_none():
    assert where(level(), (3.2, 3.8, 0)) == []
    assert where(level(), (3.0, 3.0, 0)) == []


def test_only_points_near_the_middle_find_it_by_their_own_stride():
    assert where(level(), (1.0, 10.0, 0), centre_radius=1.0) == [5, 6]
    assert where(level(stride=2), (1.0, 10.0, 0), centre_radius=1.0) == [4, 6]


def test_points_near_the_middle_of_a_short_action_must_be_inside():
    assert where(level(), (4.5, 5.5, 0), centre_radius=3.0) == [5]


def test_points_strictly_within_the_radius_count():
    assert where(level(), (1.0, 9.0, 0), centre_radius=2.0) == [4, 5, 6]


def test_both_bounds_of_the_reach_belong_to_it():
    found = where(level(reach=(5.0, 7.0)), (1.0, 9.0, 0))
    assert found == [2, 3, 4, 6, 7, 8]  # at 5 the farther end is 4 away


def test_each_level_finds_what_is_in_its_own_reach():
    both = joined(level(reach=(0.0, 5.0)), level(6, stride=2, reach=(5.0, 50.0)))
    assert where(both, (1.0, 9.0, 0)) == [4, 5, 6, 2, 4, 6, 8]


def test_the_shortest_of_several_actions_is_found():
    found = learned(level(), (0.0, 11.0, 0), (3.0, 7.0, 1), (2.0, 9.0, 2))
    assert [one[0] for one in found[1:11]] == [[n] for n in (0, 0, 2, 1, 1, 1, 2, 2, 0, 0)]
    assert found[5][1] == [2, 2]


def test_of_equally_short_actions_the_first_is_measured_and_both_are_labels():
    for first, second in (((2.0, 6.0, 0), (3.0, 7.0, 1)), ((3.0, 7.0, 1), (2.0, 6.0, 0))):
        labels, distances = learned(level(), first, second)[5]
        assert labels == [0, 1]
        assert distances == [5 - first[0], first[1] - 5]


def test_actions_of_almost_the_same_length_share_their_labels():
    labels, distances = learned(level(), (2.0, 6.0, 0), (2.0, 5.9995, 2))[4]
    assert labels == [0, 2]
    assert distances == pytest.approx([2.0, 1.9995])
    assert learned(level(), (2.0, 6.0, 0), (2.0, 5.998, 2))[4][0] == [2]


def test_the_same_action_twice_counts_once():
    once, twice = (learned(level(), *[(2.0, 6.0, 1)] * times) for times in (1, 2))
    assert once == twice


def test_an_action_beyond_the_points_is_found_by_those_it_covers():
    found = learned(level(4), (-5.0, 1.5, 0))
    assert found[0] == ([0], [5.0, 1.5])
    assert found[2] is None


def test_many_actions_are_looked_at_in_portions(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    starts = 40 * torch.rand(17, 1, generator=generator)
    actions = torch.cat([starts, starts + 20 * torch.rand(17, 1, generator=generator)], 1)
    labels = torch.randint(K, (17,), generator=generator)
    points = joined(level(50, reach=(0.0, 6.0)), level(25, stride=2, reach=(6.0, 50.0)))

    def given():
        return lessons(points, actions, labels, classes=K, centre_radius=1.5)

    whole = given()
    monkeypatch.setattr(points_module, "_PAIRS_AT_ONCE", 100)
    for portioned, at_once in zip(given(), whole, strict=True):
        assert torch.equal(portioned, at_once)
    assert whole.labels.sum() > 10


def test_distances_lead_back_to_the_action():
    points = joined(level(), level(6, stride=2))
    actions = torch.tensor([[0.7, 9.4]])
    given = lessons(points, actions, torch.tensor([1]), classes=K, centre_radius=None)
    found = given.labels[1] > 0
    back = point_segments(points, given.distances)
    assert found.sum() == 9 + 4
    assert torch.allclose(back[found], actions, atol=1e-5)


def test_a_point_that_tells_no_distance_means_a_segment_without_length():
    segments = point_segments(level(3, stride=4), torch.zeros(2, 2, 3))
    assert segments[1].tolist() == [[0, 0], [4, 4], [8, 8]]


def test_lessons_do_not_depend_on_the_unit():
    actions = torch.tensor([[1.25, 9.0], [2.0, 7.5]])
    labels = torch.tensor([0, 2])
    small = level(16, reach=(0.0, 5.0))
    large = Points(*(4 * field for field in small))
    ours = lessons(small, actions, labels, classes=K, centre_radius=1.5)
    theirs = lessons(large, 4 * actions, labels, classes=K, centre_radius=1.5)
    assert torch.equal(ours.labels, theirs.labels)
    assert torch.equal(ours.distances, theirs.distances)
    assert ours.labels.sum() > 0

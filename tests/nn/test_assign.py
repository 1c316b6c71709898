import torch

from untrimmed.nn.ops.assign import assign

ANCHORS = torch.tensor([[0.0, 10.0], [5.0, 15.0], [20.0, 30.0], [40.0, 80.0]])
ALL = torch.ones(4, dtype=torch.bool)


def given_to(actions, *, valid=ALL, anchors=ANCHORS):
    """Per anchor: the number of its action, 0 for background, None if it is not trained."""
    actions = torch.tensor(actions).reshape(-1, 2)
    action, trained = assign(anchors, valid, actions, positive_iou=0.6, negative_iou=0.4)
    assert not (action > 0)[~trained].any()
    return [
        number if train else None
        for number, train in zip(action.tolist(), trained.tolist(), strict=True)
    ]


def test_without_actions_every_anchor_is_background():
    assert given_to([]) == [0, 0, 0, 0]


def test_an_anchor_takes_the_action_that_it_overlaps_most():
    anchors = torch.tensor([[0.0, 10.0], [0.0, 12.0], [0.0, 10.5], [0.0, 11.5]])
    assert given_to([[0.0, 10.0], [0.0, 12.0]], anchors=anchors) == [1, 2, 1, 2]


def test_an_anchor_between_the_thresholds_is_not_trained():
    # The overlaps with the first two anchors are 8 / 12 and 7 / 13.
    assert given_to([[2.0, 12.0]]) == [1, None, 0, 0]


def test_thresholds_belong_to_what_is_above_them():
    anchors = torch.tensor([[0.0, 10.0], [0.0, 6.0], [0.0, 4.0], [0.0, 3.0]])
    assert given_to([[0.0, 10.0]], anchors=anchors) == [1, 1, None, 0]


def test_a_small_action_takes_its_best_anchors_all_of_them():
    twins = torch.tensor([[0.0, 10.0], [1.0, 11.0], [2.0, 22.0]])
    valid = torch.ones(3, dtype=torch.bool)
    assert given_to([[4.0, 5.0]], anchors=twins, valid=valid) == [1, 1, 0]


def test_of_equal_actions_the_first_gets_the_anchors_and_the_last_the_best_of_them():
    anchors = torch.tensor([[0.0, 10.0], [0.0, 9.0], [50.0, 60.0]])
    valid = torch.ones(3, dtype=torch.bool)
    assert given_to([[0.0, 10.0], [0.0, 10.0]], anchors=anchors, valid=valid) == [2, 1, 0]


def test_an_action_may_lose_its_only_anchor_to_a_later_one():
    assert given_to([[42.0, 78.0], [60.0, 61.0]])[3] == 2


def test_an_action_without_length_takes_no_anchor():
    assert given_to([[7.0, 7.0]]) == [0, 0, 0, 0]


def test_an_action_beyond_all_anchors_takes_none():
    assert given_to([[200.0, 210.0]]) == [0, 0, 0, 0]


def test_anchors_that_are_not_valid_are_not_trained_and_take_no_action():
    valid = torch.tensor([False, True, True, True])
    # The second anchor is now the best, with 5 / 15.
    assert given_to([[0.0, 10.0]], valid=valid) == [None, 1, 0, 0]


def test_assignment_does_not_depend_on_the_unit():
    actions = torch.tensor([[1.0, 9.0], [22.0, 33.0], [45.0, 60.0]])
    small = assign(ANCHORS / 8, ALL, actions / 8, positive_iou=0.6, negative_iou=0.4)
    large = assign(ANCHORS, ALL, actions, positive_iou=0.6, negative_iou=0.4)
    assert torch.equal(small.action, large.action)
    assert torch.equal(small.trained, large.trained)

import pytest

from untrimmed.report.training_curves import training_curves


def record(number, **losses):
    return {"number": number, "losses": losses, "lr": number / 10}


def test_points_are_means_over_as_many_steps_as_it_takes():
    curves = training_curves([record(n, a=float(n)) for n in range(1, 11)], points=5)
    assert curves["steps"] == [2, 4, 6, 8, 10]
    assert curves["losses"] == {"a": [1.5, 3.5, 5.5, 7.5, 9.5]}
    assert curves["lr"] == pytest.approx([0.15, 0.35, 0.55, 0.75, 0.95])


def test_a_loss_that_a_step_does_not_have_is_left_out_of_its_mean():
    curves = training_curves(
        [record(1, a=1.0), record(2, a=3.0, b=None), record(3, b=5.0)], points=1
    )
    assert curves["losses"] == {"a": [2.0], "b": [5.0]}


def test_few_steps_are_points_each():
    curves = training_curves([record(4, a=1.0), record(5)], points=9)
    assert curves["steps"] == [4, 5]
    assert curves["losses"] == {"a": [1.0, None]}


def test_scores_of_validation_are_points():
    told = [{"number": 1, "average_mAP": 0.25}, {"number": 2, "average_mAP": None}]
    assert training_curves([record(1, a=1.0)], validations=told)["scores"] == [(1, 0.25)]


def test_without_a_step_there_are_no_curves():
    assert training_curves([{"number": 3, "accuracy": 0.5}]) is None

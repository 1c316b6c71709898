import numpy as np
import pytest

from untrimmed.metrics.average_precision import Scores
from untrimmed.report.table import percent, score_table


@pytest.fixture
def scores():
    ap = np.array([[0.9, 0.5, np.nan], [0.8, 0.1049, np.nan]])
    return Scores((0.5, 0.75), ("run", "long jump", "never"), ap)


def test_a_table_has_classes_down_and_thresholds_across(scores):
    lines = [line.split() for line in score_table(scores, style="text").splitlines()]
    assert lines[0] == ["class", "0.5", "0.75", "average"]
    assert lines[2] == ["run", "90.0", "80.0", "85.0"]
    assert lines[3] == ["long", "jump", "50.0", "10.5", "30.2"]


def test_a_class_without_actions_has_dashes(scores):
    (row,) = [line for line in score_table(scores, style="text").splitlines() if "never" in line]
    assert row.split() == ["never", "–", "–", "–"]


def test_the_last_row_is_the_mean_over_classes_with_actions(scores):
    assert score_table(scores, style="text").splitlines()[-1].split() == [
        "mAP",
        "70.0",
        "45.2",
        "57.6",
    ]


def test_text_columns_line_up(scores):
    assert len({len(line) for line in score_table(scores, style="text").splitlines()}) == 1


def test_markdown_sets_the_mean_in_bold(scores):
    lines = score_table(scores, style="markdown").splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: |"
    assert lines[-1] == "| **mAP** | **70.0** | **45.2** | **57.6** |"


def test_a_class_name_cannot_leave_its_cell_in_markdown():
    scores = Scores((0.5,), ("a|b\n*c* <i>",), np.array([[1.0]]))
    row = score_table(scores, style="markdown").splitlines()[2]
    assert row == r"| a\|b \*c\* &lt;i> | 100.0 | 100.0 |"


def test_percent_has_one_decimal_and_no_sign():
    assert percent(0.58951) == "59.0"

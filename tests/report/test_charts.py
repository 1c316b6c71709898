from xml.etree import ElementTree

import numpy as np
import pytest

from untrimmed.report.charts import NamedCurve, precision_recall_svg
from untrimmed.report.palette import colour

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = ("run", "jump")


def curve(name, recall=(0.0, 0.5, 1.0), precision=(1.0, 0.8, 0.4)):
    return NamedCurve(name, np.array(recall), np.array(precision))


def lines_of(svg):
    return ElementTree.fromstring(svg).findall(f"{SVG}polyline")


def test_a_curve_runs_from_left_to_right_and_high_precision_is_high():
    (line,) = lines_of(precision_recall_svg([curve("run")]))
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)


def test_a_curve_has_the_colour_of_the_class_of_its_name():
    (line,) = lines_of(precision_recall_svg([curve("jump")], classes=CLASSES))
    assert line.get("stroke") == colour(1)


def test_names_are_text_in_the_picture():
    name = "<script>alert('x')</script> & \"ü\" \x07"
    svg = precision_recall_svg([curve(name)])
    (title,) = ElementTree.fromstring(svg).iter(f"{SVG}title")
    assert title.text == name.replace("\x07", "\ufffd")


def test_a_class_without_actions_draws_nothing():
    empty = curve("run", recall=(np.nan, np.nan), precision=(0.0, 0.0))
    (line,) = lines_of(precision_recall_svg([empty]))
    assert line.get("points") == ""


def test_a_legend_names_every_curve():
    svg = precision_recall_svg([curve("run"), curve("jump")])
    texts = [node.text for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"run", "jump"} <= set(texts)


def test_points_on_the_same_spot_are_drawn_once():
    many = curve("run", recall=np.repeat([0.1, 0.2], 500), precision=np.repeat([1.0, 0.5], 500))
    (line,) = lines_of(precision_recall_svg([many]))
    assert len(line.get("points").split()) == 2


def test_a_curve_of_two_lengths_is_refused():
    with pytest.raises(ValueError, match="curve run: 2 recalls, 3 precisions"):
        curve("run", recall=(0.0, 1.0))

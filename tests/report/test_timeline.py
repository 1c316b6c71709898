from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.report.timeline import ROWS, clock, stacked, timeline_svg

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = ("run", "jump", "rest")
ACTIONS = Actions([(1, 3), (6, 8)], [0, 1])
DETECTIONS = Detections([(1, 3), (5, 6), (1.2, 3)], [0, 2, 0], [0.9, 0.2, 0.6])


def bars(svg):
    """Title of each bar, in order of drawing."""
    root = ElementTree.fromstring(svg)
    return {title.text: bar for bar in root.findall(f"{SVG}rect") for title in bar}


def drawn(**options):
    return timeline_svg(DETECTIONS, classes=CLASSES, duration_s=10.0, **options)


def test_a_bar_says_what_became_of_it():
    assert set(bars(drawn(actions=ACTIONS))) == {
        "action: run, found, 0:01.00 to 0:03.00",
        "action: jump, missed, 0:06.00 to 0:08.00",
        "detection: run, score 0.90, hit, 0:01.00 to 0:03.00",
        "detection: run, score 0.60, false alarm, 0:01.20 to 0:03.00",
        "detection: rest, score 0.20, false alarm, 0:05.00 to 0:06.00",
    }


def test_an_action_found_only_below_the_threshold_is_missed():
    titles = bars(drawn(actions=ACTIONS, threshold=0.95))
    assert list(titles) == [
        "action: run, missed, 0:01.00 to 0:03.00",
        "action: jump, missed, 0:06.00 to 0:08.00",
    ]


def test_nothing_is_judged_where_nobody_knows():
    assert all("false alarm" not in title and "hit" not in title for title in bars(drawn()))


def test_time_runs_evenly_from_left_to_right():
    by_title = bars(drawn(actions=ACTIONS))
    left, right = (
        float(by_title[f"action: {name}"].get("x"))
        for name in ("run, found, 0:01.00 to 0:03.00", "jump, missed, 0:06.00 to 0:08.00")
    )
    width = float(by_title["action: run, found, 0:01.00 to 0:03.00"].get("width"))
    assert right - left == pytest.approx(2.5 * width, abs=0.3)


def test_actions_lie_above_the_detections_of_their_class():
    by_title = bars(drawn(actions=ACTIONS))
    action = by_title["action: run, found, 0:01.00 to 0:03.00"]
    detection = by_title["detection: run, score 0.90, hit, 0:01.00 to 0:03.00"]
    assert float(action.get("y")) + float(action.get("height")) < float(detection.get("y"))


def test_class_names_are_text():
    names = ("<script>'\"&</script>", "jump", "rest")
    svg = timeline_svg(DETECTIONS, classes=names, duration_s=10.0)
    texts = [node.text for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert names[0] in texts


def test_a_video_in_which_nothing_was_found_has_an_axis():
    svg = timeline_svg(Detections.none(), classes=CLASSES, duration_s=10.0)
    assert "0:05" in [node.text for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@st.composite
def some_detections(draw):
    count = draw(st.integers(0, 12))
    numbers = st.lists(st.integers(0, 20), min_size=count, max_size=count)
    start, length = np.array(draw(numbers)), np.array(draw(numbers)) + 1
    scores = draw(numbers)
    labels = np.array(draw(numbers)) % 2
    segments = np.stack([start, start + length], 1) if count else np.zeros((0, 2))
    return Detections(segments, labels, scores)


@given(some_detections())
def test_detections_of_a_row_hide_none_of_each_other_but_in_the_last(detections):
    rows = stacked(detections)
    for label in (0, 1):
        for row in range(ROWS - 1):
            own = detections.segments_s[(detections.labels == label) & (rows == row)]
            own = own[np.argsort(own[:, 0])]
            assert (own[1:, 0] >= own[:-1, 1]).all()


@given(some_detections(), st.integers(0, 20))
def test_a_threshold_moves_no_detection_to_another_row(detections, threshold):
    above = detections.scores >= threshold
    assert stacked(detections)[above].tolist() == stacked(detections[above]).tolist()


@pytest.mark.parametrize(
    ("time_s", "said"), [(0, "0:00.00"), (59.999, "1:00.00"), (3725.5, "1:02:05.50")]
)
def test_times_are_said_as_on_a_clock(time_s, said):
    assert clock(time_s) == said

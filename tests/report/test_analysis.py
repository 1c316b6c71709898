import re
from xml.etree import ElementTree

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.detections import Detections
from untrimmed.metrics.characteristics import ACTIVITYNET
from untrimmed.metrics.errors import error_profile
from untrimmed.metrics.sensitivity import false_negatives, plausible, sensitivity
from untrimmed.report.analysis import Analysis, write_analysis

NASTY = "</style><script>alert('1')</script> & \"quoted\" $title"
ACTIONS = Actions([(0, 10), (20, 60)], [0, 1])
DETECTIONS = Detections([(0, 10), (50, 60), (80, 99), (0, 9)], [0, 1, 0, 0], [4, 3, 2, 1])


def analysis(actions=ACTIONS, detections=DETECTIONS, **changes):
    videos = {"v": Video(id="v", duration_s=100, actions=actions)}
    found = {"v": detections}
    settings = {"tious": [0.5], "characteristics": ACTIVITYNET}
    parts = {
        "title": "t",
        "profile": error_profile(plausible(videos), found, tious=[0.5]),
        "sensitivity": sensitivity(videos, found, **settings),
        "missed": false_negatives(videos, found, **settings),
    }
    return Analysis(**(parts | changes))


@pytest.fixture
def page(tmp_path):
    def write(some):
        write_analysis(some, tmp_path / "new" / "analysis.html")
        return (tmp_path / "new" / "analysis.html").read_text(encoding="utf-8")

    return write


def test_what_came_from_outside_is_text(page):
    html = page(analysis(title=NASTY, facts={NASTY: NASTY}))
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 4
    assert html.count("$title") == 4


def test_the_page_holds_no_addresses_of_other_machines(page):
    html = page(analysis()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]|src=|url\(", html)
    assert "default-src 'none'" in html


def test_the_same_analysis_gives_the_same_file(page):
    assert page(analysis()) == page(analysis())


def test_a_page_of_nothing_can_be_written(page):
    some = analysis(actions=Actions.none(), detections=Detections.none())
    assert np.isnan(some.profile.average)
    html = page(some)
    assert ">nan" not in html
    assert "–" in html


def test_every_table_row_has_a_cell_for_each_column(page):
    for table in re.findall(r"<table>.*?</table>", page(analysis()), flags=re.DOTALL):
        rows = ElementTree.fromstring(table).findall(".//tr")
        assert len({len(row) for row in rows}) == 1

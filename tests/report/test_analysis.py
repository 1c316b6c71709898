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
from untrimmed.report.analysis import (
    Analysis,
    groups_svg,
    impact_svg,
    profile_svg,
    spread_svg,
    write_analysis,
)

SVG = "{http://www.w3.org/2000/svg}"
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


def bars(svg):
    """(title, height) of each."""
    return [
        (bar.find(f"{SVG}title").text, float(bar.get("height")))
        for bar in ElementTree.fromstring(svg).iter(f"{SVG}rect")
    ]


@pytest.fixture
def page(tmp_path):
    def write(some):
        write_analysis(some, tmp_path / "new" / "analysis.html")
        return (tmp_path / "new" / "analysis.html").read_text(encoding="utf-8")

    return write


def test_the_bars_of_a_band_are_as_high_as_its_shares():
    drawn = dict(bars(profile_svg(analysis().profile)))
    # The surest of each class: a hit and a localization error; then one of background.
    assert list(drawn) == [
        "1G, true positive: 50.0 %",
        "1G, localization: 50.0 %",
        "2G, background: 100.0 %",
        "3G, double detection: 100.0 %",
    ]
    heights = list(drawn.values())
    assert heights[0] == heights[1] == heights[2] / 2


def test_a_bar_says_which_kind_costs_what():
    some = analysis(detections=Detections([(80, 99), (0, 10)], [0, 0], [2, 1]))
    drawn = dict(bars(impact_svg(some.profile)))
    assert drawn["background: 25.0"] > 0
    assert drawn["confusion: 0.0"] == 0


def test_a_bar_says_what_its_bucket_holds():
    titles = [title for title, _ in bars(groups_svg(analysis().sensitivity, title="t"))]
    assert "S (30 to 60 s, 1 actions): 0.0" in titles
    assert "XS (0 to 1, 2 actions): 50.0" in titles


def test_an_empty_bucket_has_no_bar():
    titles = [title for title, _ in bars(groups_svg(analysis().sensitivity, title="t"))]
    assert not [title for title in titles if "0 actions" in title.replace("10 actions", "")]


def test_worst_and_best_are_relative_to_all_actions():
    titles = [title for title, _ in bars(spread_svg(analysis().sensitivity))]
    assert titles[:2] == ["worst: 0.0", "best: 200.0"]


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

from xml.etree import ElementTree

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.detections import Detections
from untrimmed.metrics.characteristics import ACTIVITYNET
from untrimmed.metrics.errors import error_profile
from untrimmed.metrics.sensitivity import plausible, sensitivity
from untrimmed.report.error_charts import groups_svg, impact_svg, profile_svg, spread_svg

SVG = "{http://www.w3.org/2000/svg}"
VIDEO = Video(id="v", duration_s=100, actions=Actions([(0, 10), (20, 60)], [0, 1]))
DETECTIONS = Detections([(0, 10), (50, 60), (80, 99), (0, 9)], [0, 1, 0, 0], [4, 3, 2, 1])


def profile(detections=DETECTIONS):
    return error_profile(plausible({"v": VIDEO}), {"v": detections}, tious=[0.5])


def by_bucket():
    return sensitivity({"v": VIDEO}, {"v": DETECTIONS}, tious=[0.5], characteristics=ACTIVITYNET)


def bars(svg):
    """(title, height) of each."""
    return [
        (bar.find(f"{SVG}title").text, float(bar.get("height")))
        for bar in ElementTree.fromstring(svg).iter(f"{SVG}rect")
    ]


def test_the_bars_of_a_band_are_as_high_as_its_shares():
    drawn = dict(bars(profile_svg(profile())))
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
    some = profile(Detections([(80, 99), (0, 10)], [0, 0], [2, 1]))
    drawn = dict(bars(impact_svg(some)))
    assert drawn["background: 25.0"] > 0
    assert drawn["confusion: 0.0"] == 0


def test_a_bar_says_what_its_bucket_holds():
    titles = [title for title, _ in bars(groups_svg(by_bucket(), title="t"))]
    assert "S (30 to 60 s, 1 actions): 0.0" in titles
    assert "XS (0 to 1, 2 actions): 50.0" in titles


def test_an_empty_bucket_has_no_bar():
    titles = [title for title, _ in bars(groups_svg(by_bucket(), title="t"))]
    assert not [title for title in titles if "0 actions" in title.replace("10 actions", "")]


def test_worst_and_best_are_relative_to_all_actions():
    titles = [title for title, _ in bars(spread_svg(by_bucket()))]
    assert titles[:2] == ["worst: 0.0", "best: 200.0"]

"""The page in a browser, opened from the disk as its reader does."""

import numpy as np
import pytest

from tests.report.browsing import (
    PLAYER,
    bar,
    detections_drawn,
    seeked,
    set_threshold,
    totals,
    wait_until,
)
from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import precision_recall, scores
from untrimmed.report.charts import NamedCurve
from untrimmed.report.html import Report, VideoEntry, write_report

pytestmark = pytest.mark.browser

CLASSES = ("run", "jump", "<b>rest</b>")
TIOUS = (0.3, 0.5, 0.7)
NASTY = "b </script><img src=x onerror='window.hacked = 1'>"
ACTIONS = {
    "a": Actions([(0.5, 1.5), (2.4, 3.4), (3.5, 3.9)], [0, 0, 1]),
    NASTY: Actions([(1.0, 2.0)], [1]),
    "c": Actions.none(),
}
DETECTIONS = {
    "a": Detections(
        [(0.5, 1.4), (2.0, 3.2), (3.5, 3.9), (0.6, 1.5), (1.2, 2.2)],
        [0, 0, 1, 0, 2],
        [0.9, 0.8, 0.3, 0.6, 0.1],
    ),
    NASTY: Detections([(1.0, 1.9), (3.0, 3.5)], [1, 1], [0.7, 0.5]),
    "c": Detections([(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)], [2, 2, 2], [0.2, 0.75, 0.15]),
}


@pytest.fixture(scope="module")
def full(make_video, tmp_path_factory):
    """Three videos that are embedded."""
    folder = tmp_path_factory.mktemp("page")
    media = make_video(folder / "grey.mp4")
    table = scores(ACTIONS, DETECTIONS, tious=TIOUS, classes=CLASSES)
    curves = [precision_recall(ACTIONS, DETECTIONS, tiou=0.5, label=label) for label in range(3)]
    report = Report(
        title="A <i>title</i>",
        classes=CLASSES,
        videos=tuple(
            VideoEntry(id=id, duration_s=4.0, detections=found, actions=ACTIONS[id], media=media)
            for id, found in DETECTIONS.items()
        ),
        scores=table,
        curves=tuple(
            NamedCurve(name, curve.recall, curve.precision)
            for name, curve in zip(CLASSES, curves, strict=True)
        ),
        facts={"command": "untrimmed evaluate"},
    )
    write_report(report, folder / "report.html")
    return folder / "report.html"


@pytest.fixture
def page(opened, full):
    page = opened(full)
    wait_until(page, f"{PLAYER}.readyState >= 2")
    return page


def test_a_click_on_a_detection_seeks_to_its_start(page):
    bar(page, "detection", 1).click()
    assert seeked(page) == pytest.approx(2.0, abs=0.1)


def test_the_picture_is_that_of_the_time_clicked(page):
    bar(page, "detection", 1).click()
    seeked(page)
    brightness = page.evaluate(
        """() => {
            const canvas = new OffscreenCanvas(8, 8).getContext("2d");
            canvas.drawImage(document.getElementById("player"), 0, 0, 8, 8);
            return canvas.getImageData(4, 4, 1, 1).data[0];
        }"""
    )
    assert brightness == pytest.approx(20 + 2 * 25 * 2.0, abs=6)  # see make_video


def test_a_click_beside_the_bars_seeks_to_that_time(page):
    box = page.locator("#lanes").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 8)
    assert seeked(page) == pytest.approx(1.0, abs=0.05)


def test_a_click_on_a_missed_action_seeks_to_its_start(page):
    set_threshold(page, 0.5)
    bar(page, "action.missed", 2).click()
    assert seeked(page) == pytest.approx(3.5, abs=0.1)


def test_a_row_of_the_list_seeks_to_its_start(page):
    page.locator("#events button", has_text="0:02.0").click()
    assert seeked(page) == pytest.approx(2.0, abs=0.1)


def test_the_threshold_hides_what_lies_below(page):
    set_threshold(page, 0)
    assert detections_drawn(page) == 5
    set_threshold(page, 0.7)
    assert detections_drawn(page) == 2


def test_the_first_threshold_is_that_of_the_best_f1(page):
    values = []
    for threshold in np.arange(0.05, 1, 0.1):
        set_threshold(page, threshold)
        values.append(float(totals(page)["F1"].replace("–", "0")))
    page.locator("#best").click()
    assert float(totals(page)["F1"]) == max(values)


def counted(*, tiou, threshold):
    """Hits and false alarms by the metrics, which know no page."""
    above = {id: found[found.scores >= threshold] for id, found in DETECTIONS.items()}
    hits = false_alarms = 0
    for label in range(len(CLASSES)):
        curve = precision_recall(ACTIONS, above, tiou=tiou, label=label)
        own = round(len(curve.precision) * curve.precision[-1]) if len(curve.precision) else 0
        hits, false_alarms = hits + own, false_alarms + len(curve.precision) - own
    return f"{hits} of 4", str(false_alarms)


def test_counts_are_those_of_the_metrics(page):
    for tiou in TIOUS:
        page.locator("#tiou").select_option(label=str(tiou))
        for threshold in (0.0, 0.4, 0.65):
            set_threshold(page, threshold)
            shown = totals(page)
            assert (shown["hits"], shown["false alarms"]) == counted(tiou=tiou, threshold=threshold)


def test_an_action_is_missed_above_the_score_of_its_detection(page):
    set_threshold(page, 0.25)
    assert "found" in bar(page, "action", 2).get_attribute("class")
    set_threshold(page, 0.35)
    assert "missed" in bar(page, "action", 2).get_attribute("class")


def test_a_second_detection_of_an_action_is_outlined_as_a_false_alarm(page):
    set_threshold(page, 0.5)
    fates = {
        number: "false-alarm" in bar(page, "detection", number).get_attribute("class")
        for number in (0, 2)
    }
    assert fates == {0: False, 2: True}  # 0.9 and 0.6 on the same action


def test_a_tooltip_tells_class_score_and_overlap(page):
    bar(page, "detection", 0).hover()
    tip = page.locator("#tip").inner_text()
    assert all(part in tip for part in ("run", "score 0.900", "IoU 0.90", "hit"))


def test_an_unchecked_class_leaves_the_timeline(page):
    set_threshold(page, 0)
    page.locator("#classes label", has_text="run").locator("input").uncheck()
    assert detections_drawn(page) == 2
    assert "run" not in page.locator("#lane-names").inner_text()
    page.locator("#classes button", has_text="none").click()
    assert detections_drawn(page) == 0


def test_arrows_step_from_detection_to_detection(page):
    set_threshold(page, 0.25)
    page.locator("#timeline").focus()
    times = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        times.append(round(seeked(page), 2))
    assert times == [0.5, 0.6, 2.0, 0.6]


def test_arrows_move_the_slider_under_the_focus(page):
    set_threshold(page, 0.5)
    page.locator("#threshold").focus()
    page.keyboard.press("ArrowRight")
    wait_until(page, "document.getElementById('threshold-value').textContent === '0.51'")
    assert page.evaluate(f"{PLAYER}.currentTime") == 0


def test_space_plays_and_pauses(page):
    page.keyboard.press(" ")
    wait_until(page, f"{PLAYER}.currentTime > 0.2")
    page.keyboard.press(" ")
    assert page.evaluate(f"{PLAYER}.paused")


def test_the_playhead_is_at_the_time(page):
    bar(page, "detection", 1).click()
    seeked(page)
    head, lanes = (page.locator(id).bounding_box() for id in ("#playhead", "#lanes"))
    share = (head["x"] + head["width"] / 2 - lanes["x"]) / lanes["width"]
    assert share == pytest.approx(2.0 / 4.0, abs=0.01)


def test_zoom_makes_time_longer_and_keeps_what_is_shown(page):
    width = bar(page, "detection", 0).bounding_box()["width"]
    bar(page, "detection", 0).click()
    page.locator("#zoom-in").click()
    assert bar(page, "detection", 0).bounding_box()["width"] == pytest.approx(2 * width, abs=1)


def test_videos_can_be_searched_and_sorted(page):
    ids = page.locator("#videos .name")
    assert ids.all_text_contents() == ["a", NASTY, "c"]
    set_threshold(page, 0.1)
    page.locator("#order").select_option("falseAlarms")
    assert ids.first.text_content() == "c"
    page.locator("#search").fill("SCRIPT")
    assert page.locator("#videos li:visible .name").all_text_contents() == [NASTY]


def test_another_video_is_loaded_when_it_is_chosen(page):
    before = page.evaluate(f"{PLAYER}.src")
    page.keyboard.press("j")
    wait_until(page, f"{PLAYER}.readyState >= 2")
    assert page.evaluate(f"{PLAYER}.src") != before
    assert page.locator("#video-name").inner_text() == NASTY
    bar(page, "detection", 0).click()
    assert seeked(page) == pytest.approx(1.0, abs=0.1)


def test_text_from_outside_is_shown_as_text(page):
    assert page.locator("h1").inner_text() == "A <i>title</i>"
    assert "<b>rest</b>" in page.locator("#classes").inner_text()
    assert page.locator("main img, nav img, h1 i").count() == 0


def test_the_page_fits_narrow_and_wide_windows(page):
    for width in (360, 800, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_dark_readers_get_a_dark_page(opened, full):
    page = opened(full, color_scheme="dark")
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert int(red) < 40


def test_a_linked_video_plays_from_beside_the_page(opened, make_video, tmp_path):
    media = make_video(tmp_path / "a b#1.avi", codec="mpeg4")
    video = VideoEntry(id="a", duration_s=4.0, detections=DETECTIONS["a"], media=media)
    report = Report(title="t", classes=CLASSES, videos=(video,))
    write_report(report, tmp_path / "out" / "r.html", embed=False)
    page = opened(tmp_path / "out" / "r.html")
    wait_until(page, f"{PLAYER}.readyState >= 2")
    bar(page, "detection", 1).click()
    assert seeked(page) == pytest.approx(2.0, abs=0.1)


def test_without_ground_truth_nothing_is_judged(opened, tmp_path):
    video = VideoEntry(id="a", duration_s=4.0, detections=DETECTIONS["a"])
    write_report(Report(title="t", classes=CLASSES, videos=(video,)), tmp_path / "r.html")
    page = opened(tmp_path / "r.html")
    said = page.locator("body").inner_text()
    assert "No video file" in said
    assert not any(word in said for word in ("false alarm", "hit", "recall", "missed"))


def test_without_a_video_the_timeline_still_keeps_time(opened, tmp_path):
    video = VideoEntry(id="a", duration_s=4.0, detections=DETECTIONS["a"])
    write_report(Report(title="t", classes=CLASSES, videos=(video,)), tmp_path / "r.html")
    page = opened(tmp_path / "r.html")
    bar(page, "detection", 1).click()
    assert page.locator("#time").inner_text() == "0:02.00 / 0:04.00"

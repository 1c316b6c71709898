"""The page as `untrimmed view` serves it, in a browser, from a real process."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest

from benchmarks.page import draw
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
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.folder import RunFolder
from untrimmed.sources.formats import activitynet, csv, elan
from untrimmed.train.journal import Journal

pytestmark = pytest.mark.browser

CLASSES = ("jump", "run")
NASTY = "b <img src=x onerror='window.hacked = 1'> 100% ü"
TRUTH = {
    "a": Actions([(0.5, 1.5), (2.4, 3.4), (3.0, 3.9)], [0, 0, 1]),
    NASTY: Actions([(1.0, 2.0)], [1]),
}
FOUND = {
    "a": Detections(
        [(0.5, 1.4), (2.4, 3.3), (3.1, 3.9), (1.9, 2.7)], [0, 1, 1, 0], [0.9, 0.8, 0.7, 0.3]
    ),
    NASTY: Detections([(1.0, 1.9)], [1], [0.95]),
}
OTHERS = {"a": Detections([(0.6, 1.5)], [0], [0.85])}


@contextmanager
def viewed(*arguments):
    """The address at which a real process serves."""
    command = [sys.executable, "-m", "untrimmed", "view", *map(str, arguments), "--no-browser"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    break
            else:
                pytest.fail(f"it served nothing: {said}{process.stderr.read()}")
        finally:
            process.terminate()


def write_results(folder, make_video, *, found=FOUND, truth=TRUTH):
    """A folder of results, annotations, and videos."""
    (folder / "videos").mkdir(parents=True)
    for id in truth:
        make_video(folder / "videos" / f"{id}.mp4")
    videos = {id: Video(id=id, duration_s=4.0, actions=some) for id, some in truth.items()}
    activitynet.write(Annotations(CLASSES, videos), folder / "truth.json")
    activitynet.write_detections(found, CLASSES, folder / "found" / "detections.json")
    activitynet.write_detections(OTHERS, CLASSES, folder / "others.json")
    return folder


@pytest.fixture(scope="module")
def address(make_video, tmp_path_factory):
    """Of judged results of two models."""
    folder = write_results(tmp_path_factory.mktemp("two"), make_video)
    with viewed(
        folder / "found",
        folder / "others.json",
        *("--annotations", folder / "truth.json", "--media", folder / "videos"),
    ) as url:
        yield url


@pytest.fixture
def serving():
    """Starts `untrimmed view` with some arguments and gives its address."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(viewed(*arguments))


@pytest.fixture
def opened(serving, opened):  # noqa: ARG001
    """Pages are closed before their server stops."""
    return opened


@pytest.fixture
def page(opened, address):
    page = opened(address)
    wait_until(page, f"{PLAYER}.readyState >= 2")
    set_threshold(page, 0.2)
    return page


@pytest.fixture
def unjudged(serving, opened, make_video, tmp_path):
    """Opens results of which nobody knows what happens, and gives their folder."""
    folder = write_results(tmp_path, make_video)
    url = serving(folder / "found", "--media", folder / "videos")
    page = opened(url)
    wait_until(page, f"{PLAYER}.readyState >= 2")
    set_threshold(page, 0.5)
    return page, folder / "found", url


def corrections(folder, classes=CLASSES):
    """What is on the disk, by video: (start, end, label), in order."""
    path = folder / "corrections.json"
    known = activitynet.read(path, classes=classes)
    return {
        id: [(round(start, 2), round(end, 2), label) for start, end, label in video.actions]
        for id, video in known.videos.items()
    }


def saved(page):
    wait_until(page, "document.getElementById('save-state').textContent.startsWith('saved in')")


def drag(page, place, by):
    """Drags the middle of a box to the right by seconds, of the 4 that the timeline shows."""
    box, lanes = place.bounding_box(), page.locator("#lanes").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 8 * lanes["width"], y)
    page.mouse.move(x + by / 4 * lanes["width"], y)
    page.mouse.up()


def test_a_click_on_a_detection_seeks_the_player(page):
    bar(page, "detection[data-model='0']", 1).click()
    assert seeked(page) == pytest.approx(2.4, abs=0.1)


def test_the_threshold_changes_what_is_drawn(page):
    before = detections_drawn(page)
    set_threshold(page, 0.6)
    assert detections_drawn(page) == before - 1


def test_text_from_outside_is_shown_as_text(page):
    page.keyboard.press("j")
    wait_until(page, f"{PLAYER}.readyState >= 2")
    assert page.locator("#video-name").inner_text() == NASTY


def test_both_models_are_drawn_and_one_is_counted(page):
    assert page.locator("#lanes .detection[data-model='1']").count() == 1
    assert totals(page)["hits"] == "3 of 4"
    page.locator("#models button").nth(1).click()
    assert totals(page)["hits"] == "1 of 4"
    assert page.locator(".scores table:visible tfoot").inner_text().split()[3] == "25.0"


def test_each_model_keeps_its_own_threshold(page):
    page.locator("#models button").nth(1).click()
    set_threshold(page, 0.9)
    page.locator("#models button").nth(0).click()
    assert page.locator("#threshold-value").inner_text() == "0.20"
    assert page.locator("#lanes .detection[data-model='1']").count() == 0


def test_kinds_of_errors_are_told_apart(page):
    words = page.locator("#events .fate").all_inner_texts()
    assert words == ["hit", "localization", "wrong label", "missed", "hit"]


def test_colours_can_be_those_of_the_kinds(page):
    names = lambda: [  # noqa: E731
        set(each.split()) & {f"colour-{n}" for n in range(20)}
        for each in page.locator("#lanes .detection").evaluate_all(
            "nodes => nodes.map(node => node.getAttribute('class'))"
        )
    ]
    assert {frozenset(some) for some in names()} == {
        frozenset({"colour-0"}),
        frozenset({"colour-1"}),
    }
    page.locator("#colours").select_option("kind")
    assert len({frozenset(some) for some in names()}) == 3  # hit, wrong label, localization


def test_errors_alone_can_be_listed(page):
    page.locator("#kinds button", has_text="errors").click()
    assert "hit" not in page.locator("#events .fate").all_inner_texts()
    assert totals(page)["hits"] == "3 of 4"  # counts stay


def test_the_count_of_a_kind_leads_to_its_examples(page):
    row = page.locator("#error-kinds button", has_text="wrong label")
    assert row.locator("b").inner_text() == "1"
    row.click()
    assert seeked(page) == pytest.approx(2.4, abs=0.1)


def test_the_matrix_says_what_actions_are_taken_for(page):
    set_threshold(page, 0)
    # Drawn once the slider rests; a matrix that never has the last row's false alarm fails here.
    wait_until(
        page, "document.querySelector('#confusion tbody tr:last-child td').innerText === '1'"
    )
    rows = page.locator("#confusion tbody tr").all()
    cells = [row.locator("td").all_inner_texts() for row in rows]
    # jump: one is called jump, one run; run: both found; one detection overlaps no action enough.
    assert cells == [["1", "1", ""], ["", "2", ""], ["1", "", ""]]


def test_a_click_on_the_curves_chooses_a_threshold(page):
    picture = page.locator("#threshold-chart svg")
    width = picture.bounding_box()["width"]
    picture.click(position={"x": width * (40 + 0.75 * 428) / 480, "y": 60})  # see charts.js
    wait_until(page, "document.getElementById('threshold-value').textContent === '0.75'")


def test_a_dragged_end_is_saved(unjudged):
    page, folder, _ = unjudged
    page.locator("#edit").click()
    drag(page, page.locator(".handle[data-n='1'][data-end='end']"), 0.3)
    saved(page)
    (start, end, label), *_ = [each for each in corrections(folder)["a"] if each[0] == 2.4]
    assert (start, label) == (2.4, 1)
    assert end == pytest.approx(3.6, abs=0.05)
    assert list(corrections(folder)) == ["a"]  # nobody touched the other one


def test_a_dragged_label_keeps_its_length(unjudged):
    page, folder, _ = unjudged
    page.locator("#edit").click()
    drag(page, page.locator(".label[data-n='0']"), 0.8)
    saved(page)
    (start, end, _), *_ = corrections(folder)["a"]
    assert start == pytest.approx(1.3, abs=0.05)
    assert end - start == pytest.approx(0.9, abs=0.02)


def test_labels_are_renamed_added_and_deleted(unjudged):
    page, folder, _ = unjudged
    page.locator("#edit").click()
    page.locator(".label[data-n='0']").click()
    page.locator("#label-class").select_option("run")
    page.locator(".label[data-n='1']").click()
    page.keyboard.press("Delete")
    box = page.locator("#lanes").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 8)
    page.keyboard.press("a")
    saved(page)
    assert corrections(folder)["a"] == [
        (0.5, 1.4, 1),
        (2.0, pytest.approx(2.2, abs=0.05), 0),
        (3.1, 3.9, 1),
    ]


def name_new_class(page, name):
    page.locator("#label-class").select_option("new")
    page.locator("#label-name").fill(name)
    page.locator("#label-name").press("Enter")


def test_a_label_can_be_of_a_class_that_is_new(unjudged, tmp_path):
    page, folder, url = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    name_new_class(page, f" {NASTY} ")
    saved(page)
    assert corrections(folder, (*CLASSES, NASTY))["a"][0] == (0.5, 1.4, 2)
    for _ in range(2):  # also when the page is opened again
        assert page.locator("#lane-names .colour-2").inner_text().startswith(NASTY)
        assert "colour-2" in page.locator(".label[data-n='0']").get_attribute("class")
        assert page.locator("#classes label").last.inner_text() == NASTY
        page.goto(url)
        page.keyboard.press("e")
    exported(page, "csv", videos="corrected").save_as(tmp_path / "out.csv")
    assert NASTY in csv.read(tmp_path / "out.csv").classes


def test_a_new_class_can_be_hidden_and_taken_again(unjudged):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    name_new_class(page, "swim")
    page.locator("#classes label", has_text="swim").click()
    assert page.locator(".label").count() == 2
    page.locator("#classes label", has_text="swim").click()
    page.locator(".label[data-n='1']").click()
    page.locator("#label-class").select_option("swim")
    saved(page)
    assert [label for *_, label in corrections(folder, (*CLASSES, "swim"))["a"]] == [2, 2, 1]


def test_the_name_of_a_class_that_is_there_means_it(unjudged):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    name_new_class(page, "run")
    saved(page)
    assert [label for *_, label in corrections(folder)["a"]] == [1, 1, 1]
    assert page.locator("#classes label").count() == 2


@pytest.mark.parametrize("leave", ["Escape", "Enter"])
def test_a_class_without_a_name_is_none(unjudged, leave):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    page.locator("#label-class").select_option("new")
    page.locator("#label-name").fill("half a na" if leave == "Escape" else "  ")
    page.locator("#label-name").press(leave)
    assert page.locator("#label-class").input_value() == "0"
    assert page.locator("#label-name").is_hidden()
    assert not (folder / "corrections.json").exists()


def test_another_label_is_not_given_the_name_that_was_being_written(unjudged):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    page.locator("#label-class").select_option("new")
    page.locator("#label-name").fill("swim")
    page.locator(".label[data-n='1']").click()
    assert page.locator("#label-name").is_hidden()
    page.locator("#label-end").fill("3")
    page.locator("#label-end").press("Enter")
    saved(page)
    assert [label for *_, label in corrections(folder, (*CLASSES, "swim"))["a"]][1] == 1


def test_where_nothing_was_found_the_first_class_is_named(serving, opened, make_video, tmp_path):
    folder = write_results(tmp_path, make_video, found={"a": Detections.none()})
    page = opened(serving(folder / "found", "--media", folder / "videos"))
    wait_until(page, f"{PLAYER}.readyState >= 2")
    page.keyboard.press("e")
    page.keyboard.press("a")
    page.locator("#label-name").fill("swim")
    page.locator("#label-name").press("Enter")
    saved(page)
    assert [label for *_, label in corrections(folder / "found", ("swim",))["a"]] == [0]


def test_what_was_corrected_is_there_when_the_page_is_opened_again(unjudged):
    page, _, url = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    page.locator("#label-start").fill("0.25")
    page.locator("#label-start").press("Enter")
    saved(page)
    page.goto(url)
    assert page.locator("#videos .mark:visible").count() == 1
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    assert page.locator("#label-start").input_value() == "0.25"


def test_undoing_all_forgets_the_video(unjudged):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    for _ in range(2):
        page.locator(".label[data-n='0']").click()
        page.keyboard.press("Delete")
    saved(page)
    assert corrections(folder)["a"] == [(3.1, 3.9, 1)]
    page.keyboard.press("Control+z")
    saved(page)
    assert len(corrections(folder)["a"]) == 2
    page.keyboard.press("Control+z")
    wait_until(page, "document.querySelectorAll('.label').length === 3")
    saved(page)
    assert corrections(folder) == {}


def test_a_detection_is_taken_over_by_a_double_click(unjudged):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    page.locator("#accept").click()
    set_threshold(page, 0.2)
    bar(page, "detection", 3).dblclick()
    saved(page)
    assert (1.9, 2.7, 0) in corrections(folder)["a"]
    assert len(corrections(folder)["a"]) == 4


def exported(page, format, *, videos):
    page.locator("#export-open").click()
    page.locator("#export-all").select_option(videos)
    page.locator("#export-format").select_option(format)
    with page.expect_download() as download:
        page.locator("#export-form .primary").click()
    return download.value


def test_corrections_are_exported_as_a_table(unjudged, tmp_path):
    page, folder, _ = unjudged
    page.keyboard.press("e")
    page.locator(".label[data-n='0']").click()
    page.keyboard.press("Delete")
    saved(page)
    exported(page, "csv", videos="corrected").save_as(tmp_path / "out.csv")
    read = csv.read(tmp_path / "out.csv", classes=CLASSES)
    assert [tuple(each) for each in read.videos["a"].actions] == corrections(folder)["a"]
    assert list(read.videos) == ["a"]


def test_all_videos_are_exported_as_they_stand(unjudged, tmp_path):
    page, _, _ = unjudged
    page.keyboard.press("e")
    download = exported(page, "activitynet", videos="all")
    download.save_as(tmp_path / "out.json")
    read = activitynet.read(tmp_path / "out.json")
    assert list(read.videos["a"].actions) == [(0.5, 1.4, 0), (2.4, 3.3, 1), (3.1, 3.9, 1)]
    assert list(read.videos[NASTY].actions) == [(1.0, 1.9, 1)]


def test_a_format_of_several_files_comes_as_an_archive(unjudged, tmp_path):
    page, _, _ = unjudged
    page.keyboard.press("e")
    page.locator("#accept").click()
    saved(page)
    exported(page, "elan", videos="corrected").save_as(tmp_path / "out.zip")
    shutil.unpack_archive(tmp_path / "out.zip", tmp_path / "out")
    assert (
        len(elan.read(tmp_path / "out" / "a.eaf", tiers=("action", "action 2")).videos["a"].actions)
        == 3
    )


def test_a_file_that_browsers_do_not_play_is_shown_as_a_copy(serving, opened, make_video, tmp_path):
    folder = write_results(tmp_path, make_video)
    for path in (folder / "videos").iterdir():
        path.unlink()
    make_video(folder / "videos" / "a.avi", codec="mpeg4")
    page = opened(serving(folder / "found", "--media", folder / "videos"))
    wait_until(page, f"{PLAYER}.readyState >= 2 && !{PLAYER}.hidden")
    bar(page, "detection", 1).click()
    assert seeked(page) == pytest.approx(2.4, abs=0.1)


def test_a_page_of_two_hundred_videos_lists_them_all_and_stays_small(tmp_path, serving, opened):
    draw(tmp_path, videos=200, detections=105)
    url = serving(tmp_path / "found.json", "--annotations", tmp_path / "truth.json")
    page = opened(url)
    wait_until(page, "document.querySelectorAll('#videos li').length === 200")
    wait_until(page, "document.querySelectorAll('#lanes .bar').length > 0")
    # How long that takes is measured by `benchmarks.page`: what decides it is how much is sent, ...
    with urllib.request.urlopen(url) as answer:
        assert len(answer.read()) < 1.5 * 2**20
    # ... and that no video is drawn but the one that is looked at.
    assert page.locator("#lanes .bar").count() <= 15 + 105


@pytest.fixture
def run_folder(tmp_path, make_video):
    """A run that has begun, with two videos of a test split."""
    folder = write_results(tmp_path, make_video)
    videos = {
        id: Video(id=id, duration_s=4.0, actions=some, split="testing")
        for id, some in TRUTH.items()
    }
    activitynet.write(Annotations(CLASSES, videos), folder / "truth.json")
    settings = (
        f"data.annotations={folder / 'truth.json'}",
        f"data.media={folder / 'videos'}",
        "data.splits.validation=null",
        "data.splits.test=testing",
    )
    run = RunFolder(folder / "run")
    run.start(read_recipe("tallformer_thumos14", settings=settings), CLASSES)
    return run


def step(number):
    return {"number": number, "losses": {"classification": 2.0 / number}, "lr": 1e-4}


def test_a_training_is_followed_while_it_goes_on(serving, opened, run_folder):
    page = opened(serving(run_folder.path))
    assert page.locator("section.training").is_hidden()
    with Journal(run_folder.journal, tensorboard=False) as journal:
        journal.write(step(1))
        journal.write(step(2))
        wait_until(page, "document.getElementById('training-step').textContent === 'step 2'")
        journal.write(step(3))
        wait_until(page, "document.getElementById('training-step').textContent === 'step 3'")
    assert page.locator("#loss-chart polyline").get_attribute("points").count(",") == 3


def test_new_results_are_offered(serving, opened, run_folder):
    page = opened(serving(run_folder.path))
    assert page.locator("#lanes .action").count() == 3
    asked = "performance.getEntriesByType('resource').some(each => each.name.endsWith('/news'))"
    wait_until(page, asked)
    activitynet.write_detections(FOUND, CLASSES, run_folder.detections("testing"))
    page.locator("#reload").click()
    wait_until(page, "document.querySelectorAll('#lanes .detection').length > 0")


def test_the_page_alone_exports_corrections(opened, make_video, tmp_path):
    folder = write_results(tmp_path, make_video)
    command = [sys.executable, "-m", "untrimmed", "report", folder / "found"]
    command += ["--media", folder / "videos", "-o", folder / "page.html"]
    subprocess.run(command, check=True, capture_output=True)
    page = opened(folder / "page.html")
    wait_until(page, f"{PLAYER}.readyState >= 2")
    set_threshold(page, 0.5)
    page.keyboard.press("e")
    page.locator(".label[data-n='1']").click()
    page.keyboard.press("Delete")
    exported(page, "activitynet", videos="corrected").save_as(tmp_path / "out.json")
    read = activitynet.read(tmp_path / "out.json")
    assert list(read.videos["a"].actions) == [(0.5, 1.4, 0), (3.1, 3.9, 1)]


def test_a_server_that_stopped_is_noticed(make_video, tmp_path, browser):
    folder = write_results(tmp_path, make_video)
    page = browser.new_page()
    with viewed(folder / "found") as url:
        page.goto(url)
    page.locator("#gone").wait_for(state="visible", timeout=15_000)
    page.close()


def test_nothing_but_the_page_is_served(address):
    for path in ("truth.json", "media/..%2Ftruth.json", "media/%2Fetc%2Fpasswd", "media/", "page"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + path)
    assert json.load(urllib.request.urlopen(address + "news"))["training"] is None

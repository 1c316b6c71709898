import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.detections import Detections
from untrimmed.metrics.average_precision import Scores
from untrimmed.report.charts import NamedCurve
from untrimmed.report.escaping import script_json
from untrimmed.report.html import Report, VideoEntry, write_report

NASTY = "</script><script>alert('1')</script> & \"quoted\" <!-- ü $title \u2028"
DETECTIONS = Detections([(1.23456, 3), (5, 6)], [0, 1], [0.25, 0.9])


def entry(id="v", **changes):
    settings = {"duration_s": 10.0, "detections": DETECTIONS, "actions": Actions([(1, 3)], [0])}
    return VideoEntry(id=id, **(settings | changes))


def report(**changes):
    return Report(**({"title": "t", "classes": ("run", "jump"), "videos": (entry(),)} | changes))


class Page(HTMLParser):
    """Names of the elements of a page, its text, and the content of its scripts by id."""

    def __init__(self, path):
        super().__init__()
        self.names, self.said, self.scripts, self._script = [], [], {}, None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self._script = dict(attrs).get("id", "") if tag == "script" else None

    def handle_endtag(self, _tag):
        self._script = None

    def handle_data(self, text):
        if self._script is None:
            self.said.append(text)
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + text


@pytest.fixture
def written(tmp_path):
    def write(some, **options):
        write_report(some, tmp_path / "report.html", **options)
        return Page(tmp_path / "report.html")

    return write


def test_the_data_say_what_was_found(written):
    data = json.loads(written(report()).scripts["data"])
    (video,) = data["videos"]
    (found,) = video["found"]
    assert found["detections"] == [[5.0, 6.0, 1, 0.9, 0.0, 0], [1.235, 3.0, 0, 0.25, 0.883, 0]]
    assert video["actions"] == [[1.0, 3.0, 0, 0]]
    half = data["tious"].index(0.5)
    assert found["fates"][half] == [[1, 0]]
    assert found["kinds"][half] == "50"  # background, true positive


def test_text_from_outside_stays_text(written):
    nasty = report(
        title=NASTY,
        classes=(NASTY, "jump"),
        videos=(entry(NASTY),),
        scores=Scores((0.5,), (NASTY, "jump"), np.array([[0.5, 1.0]])),
        curves=(NamedCurve(NASTY, np.array([0.0, 1.0]), np.array([1.0, 0.5])),),
        facts={NASTY: NASTY},
    )
    page, plain = written(nasty), written(report())
    assert page.names.count("script") == plain.names.count("script")
    assert json.loads(page.scripts["data"])["videos"][0]["id"] == NASTY
    assert page.said.count(NASTY) == 7  # title twice, fact twice, class, curve and its name


def test_a_script_element_cannot_be_closed_from_json():
    encoded = script_json({"</script>": "<!-- & \u2028"})
    assert not set("<>&\u2028") & set(encoded)
    assert json.loads(encoded) == {"</script>": "<!-- & \u2028"}


def test_the_page_has_no_address_of_another_machine(written, tmp_path):
    written(report(facts={"a": "b"}))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"']*", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<link[^>]+stylesheet", text)


def test_the_same_report_gives_the_same_file(tmp_path, make_video):
    path = make_video(tmp_path / "v.mp4", seconds=0.4)
    for name in ("a.html", "b.html"):
        write_report(report(videos=(entry(media=path),)), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_scores_are_in_percent_by_class(written):
    scores = Scores((0.3, 0.5), ("run", "jump"), np.array([[0.9, np.nan], [0.7512, np.nan]]))
    said = written(report(scores=scores)).said
    row = said.index("run")
    assert said[row + 1 : row + 4] == ["90.0", "75.1", "82.6"]


def test_a_report_without_ground_truth_has_no_table(written):
    assert "table" not in written(report(videos=(entry(actions=None),))).names


def test_scores_outside_of_one_widen_the_slider(written):
    detections = Detections([(0, 1), (0, 1)], [0, 0], [-2.5, 7.1])
    page = written(report(videos=(entry(detections=detections),)))
    assert json.loads(page.scripts["data"])["scores"] == [[-3, 8]]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"videos": ()}, "without videos"),
        ({"videos": (entry("a"), entry("a"))}, "a video comes twice"),
        ({"videos": (entry(duration_s=0.0),)}, "video v lasts 0.0 s"),
        ({"classes": ("run",)}, "labels from 0 to 1, but the report has 1 classes"),
        ({"scores": Scores((0.5,), ("run",), np.ones((1, 1)))}, "of other classes"),
    ],
)
def test_a_report_that_does_not_fit_together_is_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        report(**changes)


def test_an_ignored_action_needs_no_class():
    report(videos=(entry(actions=Actions([(0, 1)], [-1], [1])),))

import numpy as np
import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError, MediaError, UserError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.seen_files import Sources
from untrimmed.runs.viewing import look_at
from untrimmed.sources.formats import activitynet, csv
from untrimmed.train.journal import Journal

CLASSES = ("jump", "run", "wave")
TRUTH = {"a": Actions([(1, 2), (3, 5)], [0, 1]), "b": Actions([(0, 4)], [2])}
FOUND = {"a": Detections([(1, 2), (3, 4)], [0, 1], [0.9, 0.4]), "b": Detections.none()}


def write_truth(path, *, split=""):
    videos = {
        id: Video(id=id, duration_s=9.0, actions=some, split=split) for id, some in TRUTH.items()
    }
    activitynet.write(Annotations(CLASSES, videos), path)
    return path


@pytest.fixture
def results(tmp_path):
    activitynet.write_detections(FOUND, CLASSES, tmp_path / "found" / "detections.json")
    return tmp_path / "found"


@pytest.fixture
def run(tmp_path):
    write_truth(tmp_path / "truth.json", split="testing")
    settings = (
        f"data.annotations={tmp_path / 'truth.json'}",
        f"data.media={tmp_path / 'videos'}",
        "data.splits.validation=null",
        "data.splits.test=testing",
    )
    folder = RunFolder(tmp_path / "first")
    folder.start(read_recipe("tallformer_thumos14", settings=settings), CLASSES)
    return folder


def by_id(view):
    return {video.id: video for video in view.report.videos}


def test_detections_alone_are_enough(results):
    view = look_at(Sources(main=results))
    assert view.report.classes == ("jump", "run")  # that occur
    assert view.report.scores is None
    assert by_id(view)["a"].actions is None
    assert by_id(view)["a"].duration_s == 4.0  # as far as anything is known
    assert view.corrections == results / "corrections.json"


def test_annotations_judge_them(results, tmp_path):
    truth = write_truth(tmp_path / "truth.json")
    view = look_at(Sources(main=results, annotations=truth))
    # jump is found at every threshold, run up to tIoU 0.5, wave never
    assert view.report.scores.ap[:, 0].tolist() == [1.0] * 5
    assert view.report.scores.ap[:, 1].tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert view.report.scores.ap[:, 2].tolist() == [0.0] * 5
    assert by_id(view)["b"].duration_s == 9.0


def test_videos_that_nobody_annotated_are_shown_unjudged(results, tmp_path):
    only_b = {"b": Video(id="b", duration_s=9.0, actions=TRUTH["b"])}
    activitynet.write(Annotations(CLASSES, only_b), tmp_path / "truth.json")
    videos = by_id(look_at(Sources(main=results, annotations=tmp_path / "truth.json")))
    assert videos["a"].actions is None
    assert len(videos["b"].actions) == 1


def test_a_table_is_as_good_as_json(tmp_path):
    csv.write_detections(FOUND, CLASSES, tmp_path / "found.csv")
    table = look_at(Sources(main=tmp_path / "found.csv"))
    assert by_id(table)["a"].detections.scores.tolist() == [0.9, 0.4]
    assert table.corrections == tmp_path / "found.corrections.json"


def test_what_detect_says_of_a_video_is_believed(results, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"")
    said = {"file": str(tmp_path / "film.mp4"), "duration_s": 12.5}
    activitynet.write_detections(
        {"a": FOUND["a"]}, CLASSES, results / "videos" / "a.json", external_data=said
    )
    videos = by_id(look_at(Sources(main=results)))
    assert videos["a"].duration_s == 12.5
    assert videos["a"].media == tmp_path / "film.mp4"
    assert videos["b"].media is None


def test_a_run_is_shown_with_its_detections_and_scores(run):
    activitynet.write_detections(FOUND, CLASSES, run.detections("testing"))
    view = look_at(Sources(main=run.path))
    assert view.report.classes == CLASSES
    assert np.isclose(view.report.scores.average, (1 + 0.6 + 0) / 3)
    assert view.corrections == run.path / "corrections-testing.json"
    assert view.report.title == "tallformer, testing split"


def test_a_run_without_detections_shows_what_happens_and_its_training(run):
    with Journal(run.journal, tensorboard=False) as journal:
        journal.write({"number": 1, "losses": {"a": 2.0}, "lr": 0.1})
    view = look_at(Sources(main=run.path))
    assert view.report.training["losses"] == {"a": [2.0]}
    assert [len(video.detections) for video in view.report.videos] == [0, 0]
    assert [len(video.actions) for video in view.report.videos] == [2, 1]


def test_another_one_is_compared_by_names_of_classes(run, tmp_path):
    activitynet.write_detections(FOUND, CLASSES, run.detections("testing"))
    turned = {"a": Detections([(3, 5)], [0], [0.5])}
    activitynet.write_detections(turned, ("run", "jump", "wave"), tmp_path / "other.json")
    report = look_at(Sources(main=run.path, other=tmp_path / "other.json")).report
    assert report.rival.detections["a"].labels.tolist() == [1]
    assert (report.name, report.rival.name) == ("first", "other")
    assert report.rival.scores.ap[0].tolist() == [0.0, 1.0, 0.0]


def test_two_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for name in ("x", "y"):
        activitynet.write_detections(FOUND, CLASSES, tmp_path / name / "found.json")
    sources = Sources(main=tmp_path / "x" / "found.json", other=tmp_path / "y" / "found.json")
    report = look_at(sources).report
    assert (report.name, report.rival.name) == ("x/found", "y/found")


def test_new_results_change_the_stamp(run):
    sources = Sources(main=run.path)
    before = sources.stamp()
    activitynet.write_detections(FOUND, CLASSES, run.detections("testing"))
    assert sources.stamp() != before


def test_what_cannot_be_seen_is_refused_with_a_way_out(run, results, tmp_path):
    (tmp_path / "empty").mkdir()
    cases = [
        (Sources(main=tmp_path / "empty"), UserError, "no folder of a run"),
        (Sources(main=tmp_path / "nothing"), UserError, "no such file or folder"),
        (Sources(main=results, other=run.path), UserError, "untrimmed evaluate"),
        (Sources(main=results, media=tmp_path / "nothing"), MediaError, "no such folder"),
        (Sources(main=run.path, split="training"), UserError, "no split training"),
    ]
    for sources, kind, words in cases:
        with pytest.raises(kind, match=words):
            look_at(sources)


def test_corrections_may_be_of_classes_that_nothing_else_is_of(results):
    videos = {"a": Video(id="a", duration_s=9.0, actions=Actions([(0, 1)], [0]))}
    activitynet.write(Annotations(("swim",), videos), results / "corrections.json")
    report = look_at(Sources(main=results)).with_corrections()
    assert (report.classes, report.added_classes) == (("jump", "run"), ("swim",))
    assert report.corrections["a"].labels.tolist() == [2]


def test_corrections_that_are_no_annotations_are_refused(results):
    (results / "corrections.json").write_text('{"database": {"a": {"duration": "long"}}}')
    with pytest.raises(FormatError, match="duration"):
        look_at(Sources(main=results)).with_corrections()

import json

import numpy as np
import pytest

from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.detect.classify import classified, read_class_scores, read_score_rows

PROPOSALS = Detections([[0, 5], [6, 7], [1, 9]], [0, 0, 0], [0.25, 0.81, 0.36])
CLASS_SCORES = np.array([0.04, 0.64, 0.0, 0.16])


def test_a_detection_scores_the_square_root_of_proposal_times_class():
    detections = classified(PROPOSALS, CLASS_SCORES)
    assert detections.scores.tolist() == pytest.approx([0.72, 0.48, 0.4, 0.36, 0.24, 0.2])
    assert detections.labels.tolist() == [1, 1, 1, 3, 3, 3]
    assert detections.segments_s[:, 0].tolist() == [6, 1, 0, 6, 1, 0]


def test_a_detection_scores_the_product_if_told_so():
    detections = classified(PROPOSALS, CLASS_SCORES, classes=1, combine="product")
    assert detections.scores.tolist() == pytest.approx([0.5184, 0.2304, 0.16])


def test_classes_are_mixed_by_score():
    detections = classified(PROPOSALS, np.array([0.5, 0.4]), combine="product")
    assert detections.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert (np.diff(detections.scores) < 0).all()


def test_the_surest_proposals_are_taken():
    detections = classified(PROPOSALS, CLASS_SCORES, classes=3, most=2)
    assert sorted(detections.labels.tolist()) == [0, 0, 1, 1, 3, 3]
    assert set(detections.segments_s[:, 0]) == {6, 1}


def test_of_equally_likely_classes_the_lower_goes_first():
    detections = classified(PROPOSALS[:1], np.array([0.1, 0.5, 0.5, 0.5]), classes=2)
    assert detections.labels.tolist() == [1, 2]


def test_the_labels_of_proposals_do_not_matter():
    other = Detections(PROPOSALS.segments_s, [3, 1, 2], PROPOSALS.scores)
    assert classified(other, CLASS_SCORES).labels.tolist() == [1, 1, 1, 3, 3, 3]


def test_no_proposals_give_no_detections():
    assert len(classified(Detections.none(), CLASS_SCORES)) == 0


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="5 classes for each proposal, of 4"):
        classified(PROPOSALS, CLASS_SCORES, classes=5)
    with pytest.raises(ValueError, match="0 proposals"):
        classified(PROPOSALS, CLASS_SCORES, most=0)
    with pytest.raises(ValueError, match="a score below 0"):
        classified(PROPOSALS, -CLASS_SCORES)
    with pytest.raises(ValueError, match="not a number"):
        classified(PROPOSALS, np.full(3, np.nan))


@pytest.mark.parametrize("whole", [False, True])
def test_scores_are_read_by_video_from_json(tmp_path, whole):
    videos = {"b": [0.25, 1, 0], "a": [0.5, 0.125, 0]}
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(videos if whole else {"class": ["x"], "results": videos}))
    read = read_class_scores(file)
    assert {video: row.tolist() for video, row in read.items()} == videos


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ({"a": [0.5, 0.5], "b": [1.0]}, r"results\.b: scores of 1 classes, .* first video has 2"),
        ({"a": [0.5, -0.5]}, r"results\.a\[1\]: wanted a score of at least 0, got -0\.5"),
        ({"a": [0.5, None]}, r"results\.a\[1\]: wanted a finite number, got None"),
        ({"a": 0.5}, r"results\.a: wanted an array"),
    ],
)
def test_json_of_another_kind_is_refused(tmp_path, videos, message):
    file = tmp_path / "scores.json"
    file.write_text(json.dumps({"results": videos}))
    with pytest.raises(FormatError, match=message):
        read_class_scores(file)


def test_a_file_that_names_its_classes_is_put_in_the_order_of_the_annotations(tmp_path):
    content = {"class": ["wave", "pour", "cut"], "results": {"a": [0.1, 0.2, 0.7]}}
    (tmp_path / "scores.json").write_text(json.dumps(content))
    read = read_class_scores(tmp_path / "scores.json", classes=("cut", "pour", "wave"))
    assert read["a"].tolist() == [0.7, 0.2, 0.1]
    assert read_class_scores(tmp_path / "scores.json")["a"].tolist() == [0.1, 0.2, 0.7]


@pytest.mark.parametrize("classes", [("cut", "pour"), ("cut", "pour", "waves"), ("cut",) * 3])
def test_a_file_that_names_other_classes_is_refused(tmp_path, classes):
    content = {"class": ["wave", "pour", "cut"], "results": {"a": [0.1, 0.2, 0.7]}}
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"class.*3 classes for scores of 3.*wave"):
        read_class_scores(tmp_path / "scores.json", classes=classes)


def test_rows_are_numbered_from_one_and_columns_chosen(tmp_path):
    np.save(tmp_path / "scores.npy", np.arange(8, dtype=np.float32).reshape(2, 4))
    read = read_score_rows(tmp_path / "scores.npy", video="v{:03d}", columns=[3, 1])
    assert {video: row.tolist() for video, row in read.items()} == {"v001": [3, 1], "v002": [7, 5]}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"two axes, videos and classes, got float64 \(3,\)"),
        (np.zeros((2, 3), np.int64), "two axes, videos and classes, got int64"),
        (np.zeros((2, 3)), "no column 3 among 3"),
        (np.array([[0.0] * 4, [0, 0, 0, -1]]), "row 1: wanted finite scores of at least 0"),
        (np.array([[0, 0, 0, np.nan]]), "row 0: wanted finite scores"),
        (np.array([["a", None]], object), "cannot be read as a numpy array"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, array, message):
    np.save(tmp_path / "scores.npy", array)
    with pytest.raises(FormatError, match=message):
        read_score_rows(tmp_path / "scores.npy", video="v{}", columns=[0, 3])


def test_an_archive_in_place_of_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "scores.npz", a=np.zeros((2, 2)))
    with pytest.raises(FormatError, match="got an archive of several"):
        read_score_rows(tmp_path / "scores.npz", video="v{}", columns=[0])

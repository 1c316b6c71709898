"""The errors of a run, as `untrimmed analyze` writes them."""

import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import UserError
from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.analysing import analyse_files, analyse_run
from untrimmed.runs.folder import RunFolder
from untrimmed.sources.formats import activitynet

CLASSES = ("jump", "run")
TRUTH = {
    "a": Video(id="a", duration_s=9.0, actions=Actions([(1, 2), (3, 5)], [0, 1]), split="testing"),
    "b": Video(id="b", duration_s=9.0, actions=Actions([(0, 4)], [1]), split="validation"),
}
FOUND = Detections([(1, 2), (3, 5), (7, 8)], [0, 0, 1], [0.9, 0.8, 0.7])
TIOUS = (0.5,)


@pytest.fixture
def folder(tmp_path):
    """A run of which the test split was evaluated."""
    activitynet.write(Annotations(CLASSES, TRUTH), tmp_path / "truth.json")
    settings = [f"data.annotations={tmp_path / 'truth.json'}", "data.splits.test=testing"]
    run = RunFolder(tmp_path / "first")
    run.start(read_recipe("tallformer_thumos14", settings=settings), CLASSES)
    activitynet.write_detections({"a": FOUND}, CLASSES, run.detections("testing"))
    return run


def test_a_run_has_the_errors_of_its_files(folder, tmp_path):
    of_run, _ = analyse_run(folder.path, output=tmp_path / "run.html", tious=TIOUS)
    of_files, _ = analyse_files(
        tmp_path / "truth.json",
        folder.detections("testing"),
        output=tmp_path / "files.html",
        split="testing",
        tious=TIOUS,
    )
    assert of_run.profile.counts.tolist() == of_files.profile.counts.tolist()
    assert of_run.profile.average == of_files.profile.average == pytest.approx(0.5)
    assert "Errors of first" in (tmp_path / "run.html").read_text()


def test_actions_of_other_splits_are_not_missed(folder, tmp_path):
    analysis, _ = analyse_run(folder.path, output=tmp_path / "run.html", tious=TIOUS)
    assert analysis.facts["videos"] == "1"


@pytest.mark.parametrize("split", [None, "validation"])
def test_a_split_that_was_not_evaluated_is_named(folder, tmp_path, split):
    folder.detections("testing").rename(folder.detections("training"))
    wanted = split or "testing"
    with pytest.raises(UserError, match=f"no detections of the split {wanted}: run `untrimmed"):
        analyse_run(folder.path, output=tmp_path / "run.html", split=split, tious=TIOUS)

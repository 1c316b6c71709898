"""A bundle is a run to whoever detects and scores, and holds nothing of its machine."""

import json
import shutil

import numpy as np
import pytest
import yaml

from untrimmed.core.errors import UserError
from untrimmed.runs.bundle import bundle
from untrimmed.runs.evaluation import evaluate
from untrimmed.runs.folder import RunFolder
from untrimmed.runs.progress import finish
from untrimmed.runs.samples import samples


@pytest.fixture
def scored(on_features, tmp_path):
    """A run with scores, a machine of its own, and a video that could not be read."""
    folder = RunFolder(shutil.copytree(on_features.path.parent, tmp_path / "machine") / "run")
    text = folder.recipe.read_text().replace(
        str(on_features.path.parent), str(tmp_path / "machine")
    )
    folder.recipe.write_text(text)
    (tmp_path / "machine" / "features" / "d.npy").unlink()
    finish(evaluate(folder))
    return folder


def front(path):
    _, settings, text = path.read_text().split("---\n", 2)
    return yaml.safe_load(settings), text


def test_no_path_of_the_machine_is_in_a_bundle(scored, tmp_path):
    for file in bundle(scored, tmp_path / "made", license="mit").files:
        assert str(tmp_path).encode() not in file.read_bytes(), file.name


def test_a_bundle_scores_as_its_run_with_the_data_beside_it(scored, tmp_path):
    made = tmp_path / "made"
    bundle(scored, made)
    shutil.copytree(tmp_path / "machine" / "features", made / "features")
    shutil.copy(tmp_path / "machine" / "annotations.json", made)
    scores = json.loads(scored.scores("testing").read_text())
    again = finish(evaluate(RunFolder(made)))
    assert again.scores.average == scores["average_mAP"]


def test_a_bundle_finds_what_its_run_finds(on_videos, tmp_path):
    bundle(on_videos, tmp_path / "made")
    recipe = on_videos.read_recipe()
    file = next(recipe.data.media.glob("testing*"))
    found = []
    for folder in (on_videos, RunFolder(tmp_path / "made")):
        chosen = samples(folder, folder.read_recipe(), on=[file])
        found.append(chosen.videos[0].look(chosen.detector, folder.read_recipe()))
    np.testing.assert_array_equal(found[0].segments_s, found[1].segments_s)
    np.testing.assert_array_equal(found[0].scores, found[1].scores)


def test_the_card_tells_the_hub_licence_and_scores(scored, tmp_path):
    bundle(scored, tmp_path / "made", license="mit")
    settings, text = front(tmp_path / "made" / "README.md")
    assert settings["library_name"] == "untrimmed"
    assert settings["license"] == "mit"
    assert "actionformer" in settings["tags"]
    (result,) = settings["model-index"][0]["results"]
    scores = json.loads(scored.scores("testing").read_text())
    assert result["metrics"][0]["value"] == round(scores["average_mAP"], 5)
    assert "untrimmed detect match.npy --model made" in text


def test_the_fingerprint_counts_and_sums_the_annotations(scored, tmp_path):
    bundle(scored, tmp_path / "made")
    data = json.loads((tmp_path / "made" / "data.json").read_text())
    assert data["splits"]["testing"]["videos"] == 4
    assert data["splits"]["testing"]["actions"] == 8
    assert len(data["sha256"]) == 64


def test_a_bundle_of_a_bundle_says_the_same_of_its_data(scored, tmp_path):
    bundle(scored, tmp_path / "one")
    bundle(RunFolder(tmp_path / "one"), tmp_path / "two")
    for name in ("data.json", "recipe.yaml", "model.safetensors", "scores-testing.json"):
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two, name


def test_a_folder_of_other_things_is_not_replaced(scored, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="no bundle"):
        bundle(scored, tmp_path / "mine")
    assert (tmp_path / "mine" / "diary.txt").exists()


def test_the_commands_of_the_page_make_a_bundle_and_detect_with_it(written):
    folder = written("first-bundle")
    assert (folder / "first-bundle" / "model.safetensors").exists()
    assert (folder / "found" / "detections.json").exists()

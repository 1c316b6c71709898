"""What a user sees who makes a mistake: one message that says what, where and what to do."""

import json
import re
import subprocess
import sys

import pytest

from untrimmed.cli.main import app
from untrimmed.demo.motions import CLASSES


def untrimmed(*arguments, folder):
    """Run the command as a user would: status, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "untrimmed", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def run(data):
    """The command, in the folder of the data set."""
    return lambda *arguments: untrimmed(*arguments, folder=data)


def refused(result, *wanted):
    """Exit status 2, and one message that holds all that is wanted."""
    status, output, errors = result
    assert status == 2, errors
    said = " ".join((output + errors).split())
    for text in wanted:
        assert re.search(text, said), said


def test_a_setting_that_does_not_exist_is_named_with_its_neighbour(run):
    refused(
        run("train", "recipe.yaml", "--set", "train.epoch=3"),
        r"train\.epoch: no such setting; did you mean epochs\?",
    )


def test_a_setting_of_a_wrong_type_is_named_with_what_it_takes(run):
    refused(
        run("train", "recipe.yaml", "--set", "train.epochs=many"),
        r"train\.epochs: wanted a whole number, got 'many'",
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["data.augment.crop=[64, 64]"],
            r"data\.augment\.crop: a crop of 64 x 64 pixels does not fit into frames of 16 x 20",
        ),
        (["model.consistency_heads=5"], r"error: model: 16 channels do not divide into 5 heads"),
        (["model.reduce=3"], r"error: model: .*3 is not a power of two"),
        (["model.head={name: refined_point}"], r"error: model\.head: 6 ranges for 3 levels"),
        (
            ["model.encoder={name: i3d, projection: 32, map_size: [3, 3]}", "pretrain=null"],
            r"error: model\.encoder: clips of 8 frames of 16 x 20 pixels do not suit it: pictures"
            r" whose last map is \(1, 1\); the projection is for \(3, 3\)",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_named(run, settings, said):
    changes = [part for setting in settings for part in ("--set", setting)]
    refused(run("train", "recipe.yaml", "--run", "run", *changes), said)


def test_public_weights_of_another_encoder_are_refused_before_they_are_asked_for(run):
    refused(
        run(
            "train",
            "recipe.yaml",
            "--set",
            "pretrain=null",
            "--set",
            "encoder_weights={name: swin3d_t}",
        ),
        r"error: encoder_weights\.name: swin3d_t are weights of \{name: video_swin, size: tiny\},"
        r" but the encoder is conv3d",
    )


def test_a_page_of_the_web_that_was_saved_as_weights_is_recognised(run, data):
    (data / "swin.pth").write_text("<html>404</html>")
    swin = "{name: video_swin, size: null, embed: 8, depths: [1], heads: [1]}"
    start = ["--set", f"model.encoder={swin}", "--set", "encoder_weights={path: swin.pth}"]
    refused(
        run("train", "recipe.yaml", "--set", "pretrain=null", *start),
        r"swin\.pth: no file of weights but text, which begins: <html>404</html>",
    )


def test_a_recipe_that_is_not_there_is_named(run):
    refused(run("train", "other.yaml"), r"no such recipe: other\.yaml is neither a file nor a")


def test_an_annotation_file_that_is_not_there_is_named(run):
    refused(
        run("train", "recipe.yaml", "--set", "data.annotations=gone.json"),
        r"gone\.json: no such annotation file; set data\.annotations",
    )


def test_a_folder_of_videos_that_is_not_there_is_named(run):
    refused(run("train", "recipe.yaml", "--set", "data.media=gone"), r"gone: no such folder")


def test_a_split_that_is_not_there_is_named_with_those_that_are(run):
    refused(
        run("train", "recipe.yaml", "--set", "data.splits.train=tain"),
        r"data\.splits.*: the annotations have no split tain; there are: training, validation",
    )


def late_wave(content):
    """An action that no video is long enough for."""
    video = content["database"]["training-002"]
    video["annotations"].append({"label": "wave", "segment": [900.0, 905.0]})


def test_an_action_behind_the_end_of_its_video_is_named(run, edit_annotations):
    edit_annotations(late_wave)
    refused(
        run("inspect", "recipe.yaml"),
        r"error: training-002: wave from 900\.00 s to 905\.00 s, but the video ends at \d+\.\d+ s",
    )


def test_a_class_that_is_in_no_video_is_named(run, edit_annotations):
    edit_annotations(lambda content: content.update(classes=["somersault", *CLASSES]))
    refused(run("inspect", "recipe.yaml"), r"somersault happens in no video")


def test_a_broken_video_is_named_and_the_others_are_trained_on(run, data):
    broken = data / "videos" / "training-000.mp4"
    broken.write_bytes(b"no film")
    refused(
        run("train", "recipe.yaml", "--run", "run", "--set", "train.epochs=1"),
        r"1 could not be used: .*training-000\.mp4: ",
    )
    assert (data / "run" / "last.safetensors").exists()


def test_a_class_that_happens_in_validation_alone_is_remarked_and_no_fault(run, edit_annotations):
    def only_in_validation(content):
        videos = content["database"].values()
        for video in videos:
            for action in video["annotations"]:
                action["label"] = "wave"
            video["annotations"][0]["label"] = "jump" if video["subset"] == "validation" else "wave"
        content["classes"] = ["wave", "jump"]

    edit_annotations(only_in_validation)
    for validation in ("null", "validation"):
        settings = [f"data.splits.validation={validation}", "train.epochs=1", "pretrain=null"]
        words = [word for setting in settings for word in ("--set", setting)]
        status, _, errors = run("train", "recipe.yaml", "--run", validation, *words)
        assert status == 0, errors
        assert "not learnt: jump happens, but in no video of the split training" in errors
        assert "in no video;" not in errors


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("{name: i3d_k400}", r"the weights i3d_k400 are not here: run `untrimmed weights get i3d"),
        ("{path: mine.pth}", r"encoder_weights: \S*mine\.pth: there is no such file"),
    ],
)
def test_weights_that_are_not_here_are_named_before_training(run, monkeypatch, data, weights, said):
    monkeypatch.setenv("XDG_CACHE_HOME", str(data / "empty"))
    settings = ["--set", "pretrain=null", "--set", f"encoder_weights={weights}"]
    refused(run("inspect", "recipe.yaml", *settings), r"error: encoder_weights: ", said)
    # Both are said at once where the data are not here either.
    settings += ["--set", "data.annotations=gone.json"]
    refused(run("inspect", "recipe.yaml", *settings), r"gone\.json: no such", said)


def test_a_start_that_failed_is_repeated_with_the_right_settings(run):
    settings = ["--run", "run", "--set", "pretrain=null", "--set", "train.epochs=1"]
    wrong = ["--set", "encoder_weights={path: none.pth}"]
    refused(run("train", "recipe.yaml", *settings, *wrong), r"none\.pth: there is no such file")
    _, output, errors = run("train", "recipe.yaml", *settings)
    assert "next: untrimmed evaluate run" in output, errors


def backwards_wave(content):
    """An action that no reader can hold."""
    video = content["database"]["training-001"]
    video["annotations"].append({"label": "wave", "segment": [3.0, 2.0]})


def test_training_says_what_is_wrong_with_its_annotations(run, edit_annotations):
    edit_annotations(late_wave)
    edit_annotations(backwards_wave)
    refused(
        run("train", "recipe.yaml", "--run", "run", "--set", "train.epochs=1"),
        r"training-002: wave from 900\.00 s",
        r"database\.training-001\.\S+\.segment: it ends at 2\.0 s, before it starts at 3\.0 s",
    )


def twin_in_training(content):
    """A test video that stands in the training split under another id."""
    twin = {**content["database"]["testing-000"], "subset": "training"}
    content["database"]["v_testing-000"] = twin


def test_a_test_video_among_those_of_training_is_named_with_its_splits(run, data, edit_annotations):
    edit_annotations(twin_in_training)
    videos = data / "videos"
    (videos / "v_testing-000.mp4").write_bytes((videos / "testing-000.mp4").read_bytes())
    said = r"v_testing-000: it is in the split training, and as testing-000 in testing: what is"
    refused(run("inspect", "recipe.yaml"), r"error: " + said)
    settings = ["--set", "train.epochs=1", "--set", "pretrain=null", "--run", "run"]
    refused(run("train", "recipe.yaml", *settings), r"1 wrong in the annotations: " + said)


def test_a_video_that_a_file_of_splits_names_twice_is_named_with_both(run, data):
    parts = {"training": ["training-000", "testing-000"], "testing": ["testing-000"]}
    (data / "splits.json").write_text(json.dumps(parts))
    refused(
        run("inspect", "recipe.yaml", "--set", "data.splits.file=splits.json"),
        r"splits\.json:testing\[0\]: testing-000 is in the split training already, and now in"
        r" testing; take it out of one of the two",
    )


def test_detecting_goes_on_after_a_video_that_cannot_be_read(run, data):
    run("train", "recipe.yaml", "--run", "run", "--set", "train.epochs=1")
    (data / "notes.mp4").write_text("these are notes")
    good = data / "videos" / "testing-000.mp4"
    result = run("detect", "notes.mp4", "gone.mp4", good, "--run", "run", "-o", "found")
    refused(result, r"notes\.mp4: ", r"gone\.mp4: there is no such file")
    assert "testing-000" in result[1]
    assert (data / "found" / "detections.json").exists()


def test_a_folder_that_is_no_run_is_named(run):
    refused(run("evaluate", "videos"), r"videos is no folder of a run")


def test_a_run_without_weights_says_what_to_do_first(run):
    run("pretrain", "recipe.yaml", "--run", "run")
    refused(run("evaluate", "run"), r"run has no weights yet: run `untrimmed train` first")


def test_help_of_every_verb_gives_an_example(run):
    verbs = [command.name for command in app.registered_commands]
    assert len(verbs) > 10
    for verb in verbs:
        status, output, _ = run(verb, "--help")
        assert status == 0
        assert f"Example: untrimmed {verb}" in " ".join(output.split())

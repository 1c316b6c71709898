from __future__ import annotations

from dataclasses import dataclass

import pytest

from untrimmed.core.config import load
from untrimmed.core.errors import ConfigError, FormatError
from untrimmed.core.settings_text import override, read_yaml, to_yaml


@dataclass(frozen=True, kw_only=True)
class Train:
    epochs: int
    lr: float = 0.01
    reach: tuple[float, float] = (0.0, float("inf"))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    train: Train
    title: str = ""
    stages: tuple[Train, ...] = ()


def test_reading_undoes_writing(tmp_path):
    recipe = Recipe(train=Train(epochs=3, lr=1e-7), title="Grüße: 1e-4", stages=(Train(epochs=1),))
    file = tmp_path / "recipe.yaml"
    file.write_text(to_yaml(recipe), encoding="utf-8")
    assert load(Recipe, read_yaml(file)) == recipe


def test_yaml_keeps_the_order_of_the_fields_and_short_lists_in_one_line():
    lines = to_yaml(Recipe(train=Train(epochs=3))).splitlines()
    assert lines[:2] == ["train:", "  epochs: 3"]
    assert "  reach: [0.0, .inf]" in lines


def test_an_empty_file_holds_no_settings(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("# nothing\n")
    assert read_yaml(file) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "bad.yaml:3: not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 1\nb:\n  c: 2\n  c: 3\n", "bad.yaml:4: not valid YAML: c is set twice"),
        ("a: !!python/name:os.system x\n", "bad.yaml:1: not valid YAML: could not determine"),
        ("- 1\n", "bad.yaml: wanted a mapping of settings, got a list"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_yaml(file)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_an_override_changes_one_setting_of_a_copy():
    data = {"train": {"epochs": 1, "lr": 0.1}}
    assert override(data, "train.epochs=5") == {"train": {"epochs": 5, "lr": 0.1}}
    assert data == {"train": {"epochs": 1, "lr": 0.1}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("null", None), ("[1, 2]", [1, 2]), ("{name: i3d}", {"name": "i3d"}), ("a=b", "a=b")],
)
def test_the_value_of_an_override_is_yaml(text, value):
    assert override({}, f"a.b={text}") == {"a": {"b": value}}


def test_an_override_reaches_into_what_is_null():
    assert override({"a": None}, "a.b=1") == {"a": {"b": 1}}


@pytest.mark.parametrize("text", ["train.epochs", "=5", "a..b=1"])
def test_an_override_that_sets_nothing_is_refused(text):
    with pytest.raises(ConfigError, match="wanted setting=value"):
        override({}, text)


def test_an_override_through_a_value_is_refused():
    with pytest.raises(ConfigError, match=r"^a\.b: not a mapping, so it has no c$"):
        override({"a": {"b": 1}}, "a.b.c.d=2")


def test_an_override_that_is_not_yaml_is_refused():
    with pytest.raises(ConfigError, match=r"^a: '\[1' is not valid YAML"):
        override({}, "a=[1")


def test_an_item_of_a_list_is_changed_by_its_number():
    data = {"features": [{"path": "a"}, {"path": "b", "every": 2}]}
    changed = override(data, "features.1.path=c")
    assert changed == {"features": [{"path": "a"}, {"path": "c", "every": 2}]}
    assert data["features"][1]["path"] == "b"


@pytest.mark.parametrize("place", ["2", "x", "-1"])
def test_an_item_that_a_list_does_not_have_is_refused(place):
    with pytest.raises(ConfigError, match=rf"features: a list of 2, so it has no {place}"):
        override({"features": [1, 2]}, f"features.{place}=3")

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from untrimmed.core.config import Choice, dump, load
from untrimmed.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Train:
    epochs: int
    lr: float = 0.01
    kind: Literal["sgd", "adamw"] = "sgd"
    nesterov: bool = False
    clip_norm: float | None = None
    warmup: int | Literal["auto"] = "auto"
    reach: tuple[float, float] = (0.0, float("inf"))

    def __post_init__(self):
        if self.lr <= 0:
            raise ValueError(f"a learning rate of {self.lr}: it must be above 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    train: Train
    title: str = ""
    media: Path = Path("videos")
    stages: tuple[Train, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    memory: Train | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    encoder: Annotated[Any, Choice("zoo.encoders")]
    heads: tuple[Annotated[Any, Choice("zoo.encoders")], ...] = ()


ENCODER = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Literal

@dataclass(frozen=True, kw_only=True)
class Config:
    size: Literal["tiny", "base"] = "tiny"
    depths: tuple[int, ...] = (2, 2)
"""


@pytest.fixture(autouse=True, scope="module")
def zoo(tmp_path_factory):
    """A package of encoders and a laboratory's own module, importable while these tests run."""
    root = tmp_path_factory.mktemp("modules")
    folder = root / "zoo" / "encoders"
    folder.mkdir(parents=True)
    (root / "zoo" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "_private.py").touch()
    (folder / "video_swin.py").write_text(ENCODER)
    (folder / "i3d.py").write_text(ENCODER)
    (folder / "broken.py").write_text("import nowhere_at_all")
    (folder / "empty.py").touch()
    (root / "my_lab").mkdir()
    (root / "my_lab" / "nets.py").write_text(ENCODER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        yield


def said(schema, data):
    with pytest.raises(ConfigError) as caught:
        load(schema, data)
    return str(caught.value)


def test_what_is_not_set_has_its_default():
    assert load(Train, {"epochs": 3}) == Train(epochs=3)


def test_text_is_read_as_a_number_where_one_is_wanted():
    assert load(Train, {"epochs": 3, "lr": "1e-4"}).lr == 1e-4


def test_lists_become_tuples_and_text_becomes_paths():
    recipe = load(Recipe, {"train": {"epochs": 1, "reach": [2, 3]}, "media": "films"})
    assert (recipe.train.reach, recipe.media) == ((2.0, 3.0), Path("films"))


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    assert (
        said(Recipe, {"train": {"epochs": 3, "epoch": 1}})
        == "train.epoch: no such setting; did you mean epochs?"
    )


def test_an_unknown_setting_that_is_near_to_none_lists_all():
    assert said(Train, {"epochs": 1, "zzz": 1}) == (
        "zzz: no such setting; there are: epochs, lr, kind, nesterov, clip_norm, warmup, reach"
    )


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"stages": [{"epochs": 2}, {"epochs": 2, "kinds": "sgd"}]}, "stages.1.kinds"),
        ({"memory": {"epochs": 2, "kinds": "sgd"}}, "memory.kinds"),
    ],
)
def test_names_are_suggested_inside_lists_and_optional_settings(data, path):
    message = said(Recipe, {"train": {"epochs": 1}, **data})
    assert message == f"{path}: no such setting; did you mean kind?"


def test_a_missing_setting_is_named():
    assert said(Recipe, {"train": {}}) == "train.epochs: missing, and it has no default"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 1.5, "wanted a whole number, got 1.5"),
        ("epochs", "many", "wanted a whole number, got 'many'"),
        ("epochs", None, "wanted a whole number, got null"),
        ("lr", [1], "wanted a number, got a list"),
        ("kind", "adam", "wanted 'sgd' or 'adamw', got 'adam'"),
        ("nesterov", "maybe", "wanted true or false, got 'maybe'"),
        ("warmup", "long", "wanted a whole number or 'auto', got 'long'"),
        ("reach", 4, "wanted a list, got 4"),
        ("lr", -1, "a learning rate of -1.0: it must be above 0"),
    ],
)
def test_a_wrong_value_says_what_was_wanted_and_what_came(name, value, message):
    text = said(Recipe, {"train": {"epochs": 1, name: value}})
    assert text == f"train{'' if value == -1 else '.' + name}: {message}"


def test_text_is_not_made_of_numbers():
    assert said(Recipe, {"train": {"epochs": 1}, "title": 2019}) == "title: wanted text, got 2019"


@pytest.mark.parametrize("value", [[], None, 3])
def test_settings_must_be_a_mapping(value):
    assert said(Recipe, {"train": value}).startswith("train: wanted a mapping of settings, got ")
    assert said(Train, value).startswith("wanted a mapping of settings, got ")


def test_false_is_no_number():
    # pydantic alone would take it for 0.0, a clipping of every gradient to nothing.
    message = said(Recipe, {"train": {"epochs": 1, "clip_norm": False}})
    assert message == "train.clip_norm: wanted a number, got false"


def test_a_number_is_neither_true_nor_false():
    message = said(Recipe, {"stages": [{"epochs": 1, "nesterov": 1}], "train": {"epochs": 1}})
    assert message == "stages.0.nesterov: wanted true or false, got 1"


def test_all_faults_are_reported_together_after_the_source():
    with pytest.raises(ConfigError) as caught:
        load(Recipe, {"train": {"epoch": 1, "lr": "x"}, "shares": {"a": "b"}}, source="my.yaml")
    assert str(caught.value).splitlines() == [
        "my.yaml: 4 settings are wrong",
        "  train.epochs: missing, and it has no default",
        "  train.lr: wanted a number, got 'x'",
        "  train.epoch: no such setting; did you mean epochs?",
        "  shares.a: wanted a number, got 'b'",
    ]
    assert caught.value.path == "train.epochs"


def test_the_source_stands_before_a_single_fault():
    with pytest.raises(ConfigError, match=r"^my\.yaml: train\.epochs: missing"):
        load(Recipe, {"train": {}}, source="my.yaml")


def test_a_name_chooses_a_module_and_the_rest_are_its_settings():
    encoder = load(Model, {"encoder": {"name": "video_swin", "size": "base"}}).encoder
    assert (type(encoder).__module__, encoder.size) == ("zoo.encoders.video_swin", "base")


def test_a_dotted_name_chooses_a_module_outside_of_the_package():
    model = load(Model, {"encoder": {"name": "my_lab.nets"}})
    assert type(model.encoder).__module__ == "my_lab.nets"


def test_an_unknown_module_is_refused_with_the_nearest_name():
    assert said(Model, {"encoder": {"name": "video_swim"}}) == (
        "encoder.name: zoo.encoders has no module video_swim; did you mean video_swin?"
    )


def test_a_module_near_to_none_lists_all_but_private_ones():
    message = said(Model, {"encoder": {"name": "zzz"}})
    assert message.endswith("; there are: broken, empty, i3d, video_swin")


def test_a_choice_without_a_name_lists_the_modules():
    message = said(Model, {"encoder": {"size": "base"}})
    assert message.startswith("encoder.name: missing; choose a module of zoo.encoders: broken, ")


def test_a_choice_must_be_a_mapping():
    message = said(Model, {"encoder": "i3d"})
    assert message == "encoder: wanted a mapping with a name, as in {name: ...}, got 'i3d'"


def test_a_module_that_fails_when_imported_says_why():
    assert said(Model, {"encoder": {"name": "broken"}}) == (
        "encoder.name: the import of zoo.encoders.broken failed with ModuleNotFoundError:"
        " No module named 'nowhere_at_all'"
    )


def test_a_module_of_nowhere_is_not_taken_for_one_that_fails():
    message = said(Model, {"encoder": {"name": "my_lab.nothing"}})
    assert message.startswith("encoder.name: there is no module my_lab.nothing: is it installed")


def test_a_module_without_settings_cannot_be_chosen():
    message = said(Model, {"encoder": {"name": "empty"}})
    assert message == "encoder.name: the module empty has no dataclass called Config"


def test_faults_inside_a_choice_carry_their_whole_path():
    heads = [{"name": "i3d"}, {"name": "i3d", "siz": "base", "depths": [2, "x"]}]
    assert said(Model, {"encoder": {"name": "i3d"}, "heads": heads}).splitlines()[1:] == [
        "  heads.1.depths.1: wanted a whole number, got 'x'",
        "  heads.1.siz: no such setting; did you mean size?",
    ]


def test_dump_spells_out_every_default():
    assert dump(Train(epochs=3)) == {
        "epochs": 3,
        "lr": 0.01,
        "kind": "sgd",
        "nesterov": False,
        "clip_norm": None,
        "warmup": "auto",
        "reach": [0.0, float("inf")],
    }


def test_dump_writes_the_names_of_chosen_modules():
    model = load(Model, {"encoder": {"name": "i3d"}, "heads": [{"name": "my_lab.nets"}]})
    plain = dump(model)
    assert plain["encoder"] == {"name": "i3d", "size": "tiny", "depths": [2, 2]}
    assert plain["heads"][0]["name"] == "my_lab.nets"


def test_load_undoes_dump():
    recipe = Recipe(
        train=Train(epochs=3, lr=1e-7),
        title="1e-4",
        stages=(Train(epochs=1), Train(epochs=2)),
        shares={"a": 0.5},
        memory=Train(epochs=1, clip_norm=1),
    )
    assert load(Recipe, dump(recipe)) == recipe
    model = load(Model, {"encoder": {"name": "i3d"}, "heads": [{"name": "my_lab.nets"}]})
    assert load(Model, dump(model)) == model


def test_an_error_of_all_settings_has_no_path():
    with pytest.raises(ConfigError) as caught:
        load(Train, [])
    assert caught.value.path == ""


def test_a_module_is_found_for_things_other_than_settings():
    assert Choice("zoo.encoders").module("i3d").__name__ == "zoo.encoders.i3d"

"""Every command that a page mentions: its verb, options and names exist, and a test runs it or
there is a reason why none does.  What they do is tested in `test_documented`."""

import re

import pytest
import typer

from tests.commands.cli.documented import (
    DOCS,
    NOT_RUN,
    NOT_RUN_OF_README,
    PAGES,
    ROOT,
    RUN,
    commands,
    mentioned,
    text,
)
from untrimmed.cli.main import app
from untrimmed.metrics.protocols import PROTOCOLS
from untrimmed.recipes.recipe import read_recipe
from untrimmed.recipes.weights import public_weights
from untrimmed.runs.formats import FORMATS


def given(words):
    """Verb and values of a command; raises if it has no such verb or option."""
    command, names = typer.main.get_command(app), []
    words = words[1:]
    while hasattr(command, "commands"):
        names.append(words.pop(0))
        command = command.commands[names[-1]]
    if not words or words == ["…"]:
        return " ".join(names), {}  # a verb that a page speaks of
    return " ".join(names), command.make_context(names[-1], list(words)).params


def check_names(verb, values):
    """That a preset, format, protocol or file of weights of that name is there."""
    recipe = values.get("preset") or values.get("recipe") or "RECIPE"
    if not recipe.isupper() and (not recipe.endswith(".yaml") or (ROOT / recipe).exists()):
        path = str(ROOT / recipe) if recipe.endswith(".yaml") else recipe
        read_recipe(path, settings=values.get("settings") or [])
    for name in filter(None, (values.get(each) for each in ("format", "read_as", "write_as"))):
        assert "." in name or name in FORMATS.names()
    assert values.get("protocol") in {None, *PROTOCOLS}
    if verb == "weights get":
        public_weights(values["name"])


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_option_and_name_that_a_page_mentions_exists(page):
    wrong = []
    for words in mentioned(page):
        try:
            check_names(*given(words))
        except Exception as error:  # whatever says that there is none
            wrong.append(f"{' '.join(words)}: {error!r}")
    assert wrong == []


@pytest.mark.parametrize(
    "words",
    [
        ["untrimmed", "guess", "runs/first"],
        ["untrimmed", "train", "recipe.yaml", "--runs", "runs/first"],
        ["untrimmed", "train", "actionformer_thumos15"],
        ["untrimmed", "train", "actionformer_thumos14_i3d", "--set", "train.epoch=3"],
        ["untrimmed", "convert", "a.json", "b", "--to", "elan2"],
        ["untrimmed", "detect", "match.mp4"],  # without a run
        ["untrimmed", "weights", "get", "swin3d_xl"],
    ],
)
def test_what_does_not_exist_is_noticed(words):
    with pytest.raises(Exception):  # noqa: B017, PT011
        check_names(*given(words))


def test_every_command_is_run_or_there_is_a_reason_why_not():
    assert {page for page in PAGES if commands(page)} == {*RUN, *NOT_RUN} - {"results.md"}
    assert mentioned("results.md")  # in indented lines
    of_readme = {" ".join(words) for words in commands("../README.md")}
    assert set(NOT_RUN_OF_README) <= of_readme


def slugs(page):
    """Anchors of the headings of a page, as the site makes them."""
    heads = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text(page), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_page_or_picture_and_its_heading(page):
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", prose):
        path, _, anchor = target.partition("#")
        file = (DOCS / page).parent / path if path else DOCS / page
        assert file.is_file(), target
        assert file.resolve().is_relative_to(DOCS), target  # or it is not of the site
        assert not anchor or anchor in slugs(file.resolve().relative_to(DOCS)), target

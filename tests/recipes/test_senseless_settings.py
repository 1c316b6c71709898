"""Every number in every preset, one at a time, made something that it cannot be."""

import copy
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from untrimmed.core.config import dump, load
from untrimmed.core.errors import UserError
from untrimmed.recipes.data import FeatureData
from untrimmed.recipes.recipe import Recipe, presets, read_recipe
from untrimmed.runs.networks import build_detector

Place = tuple[str | int, ...]

ANY_FINITE = {"mean"}
"""Settings that may be below 0."""


def numbers_of(value: Any, place: Place = ()) -> Iterator[tuple[Place, float, str]]:
    """Where numbers stand in a schema, what they are, and the field of the schema they are of."""
    if dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            for found, number, schema in numbers_of(getattr(value, each.name), (*place, each.name)):
                yield (
                    found,
                    number,
                    schema or f"{type(value).__qualname__} {type(value).__module__}",
                )
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from numbers_of(item, (*place, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value, ""


def settings() -> Iterator[tuple[Recipe, Place]]:
    """Every numeric field of every schema once, in a preset that has it."""
    seen = set()
    for name in presets():
        recipe = read_recipe(name)
        for place, _, schema in numbers_of(recipe):
            key = schema, [part for part in place if isinstance(part, str)][-1]
            if key not in seen:
                seen.add(key)
                yield recipe, place


def changed(recipe: Recipe, place: Place, number: float) -> Recipe:
    data = copy.deepcopy(dump(recipe))
    inner: Any = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = number
    return load(Recipe, data)


CASES = [pytest.param(recipe, place, id=".".join(map(str, place))) for recipe, place in settings()]


@pytest.mark.parametrize(("recipe", "place"), CASES)
def test_a_number_that_makes_no_sense_is_refused_with_its_setting(recipe, place):
    name = next(part for part in reversed(place) if isinstance(part, str))
    numbers = [math.nan, math.inf] + ([] if name in ANY_FINITE else [-1])
    for number in numbers:
        with pytest.raises(UserError, match=name):
            changed(recipe, place, number)


@pytest.mark.parametrize(("recipe", "place"), CASES)
def test_a_zero_is_refused_or_builds_a_network(recipe, place):
    try:
        whole = changed(recipe, place, 0)
    except UserError:
        return
    if place[0] == "model":
        features = isinstance(recipe.data, FeatureData)
        channels = [each.channels or 8 for each in recipe.data.features] if features else None
        with torch.device("meta"):
            build_detector(whole, classes=3, channels=channels)

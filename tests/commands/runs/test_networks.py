"""What a detector finds by itself, and what its detections are called in the end."""

from untrimmed.recipes.recipe import read_recipe
from untrimmed.runs.evaluation import told_apart
from untrimmed.runs.networks import own_classes

CLASSES = ("jump", "run")


def recipe(*settings):
    return read_recipe("tallformer_thumos14", settings=settings)


def test_a_detector_that_tells_classes_apart_names_them():
    assert own_classes(recipe(), CLASSES) == told_apart(recipe(), CLASSES) == CLASSES


def test_a_detector_of_whatever_class_has_one_of_its_own():
    blind = recipe("data.one_class=true")
    assert own_classes(blind, CLASSES) == told_apart(blind, CLASSES) == ("action",)


def test_classes_of_others_name_its_detections_but_not_what_it_finds_itself():
    named = recipe("data.one_class=true", "class_scores={file: scores.json}")
    assert own_classes(named, CLASSES) == ("action",)
    assert told_apart(named, CLASSES) == CLASSES

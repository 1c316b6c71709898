"""Files of a bank that do not belong together."""

import json

import pytest

from untrimmed.core.errors import FormatError
from untrimmed.sources.bank_files import Place, read_contents, write_empty


@pytest.fixture
def folder(tmp_path):
    places = {"a": Place(0, 4), "b": Place(4, 7), "c": Place(11, 2)}
    write_empty(tmp_path / "bank", places, channels=3, dtype="float32", meta={"encoder": "abc"})
    return tmp_path / "bank"


def test_a_missing_bank_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"bank\.json"):
        read_contents(tmp_path / "none", mode="r")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("version", 2, "bank.json:version: wanted a bank of version 1, got 2"),
        ("channels", 4, r"features.npy: wanted float32 of shape \(13, 4\)"),
        ("dtype", "float16", "features.npy: wanted float16"),
        ("dtype", "int8", "bank.json:dtype: wanted one of float16, bfloat16, float32, got int8"),
        ("videos", {"a": {"offset": 1, "cells": 3}}, "bank.json:videos.a: wanted 1 cell or more"),
        ("meta", None, "bank.json:top level: there is no 'meta'"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(folder, name, value, message):
    path = folder / "bank.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(FormatError, match=message):
        read_contents(folder, mode="r")


def test_a_truncated_array_is_refused(folder):
    path = folder / "written.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FormatError, match=r"written\.npy: no array that can be mapped"):
        read_contents(folder, mode="r")

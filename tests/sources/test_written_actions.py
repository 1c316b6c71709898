"""What can be written into the formats of tools, and what would be read as something else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.sources.written_actions import class_name, decimal, file_of


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\nb", "a\x00b", "a\u2028b", "\ud800"])
def test_names_that_tools_would_change_are_refused(name):
    with pytest.raises(ValueError, match="cannot hold the class name"):
        class_name(0, [name])


@pytest.mark.parametrize("name", ["a b", "Zähne putzen", "手を\u3000振る", "a & <b>"])
def test_other_names_are_held(name):
    assert class_name(0, [name]) == name


@pytest.mark.parametrize("id", ["", ".", "..", "../v1", "a/b", "a\\b", "a\nb"])
def test_an_id_that_is_no_name_of_a_file_is_refused(tmp_path, id):
    with pytest.raises(ValueError, match="no name of a file"):
        file_of(id, tmp_path, ".txt")


@given(number=st.floats(-1e15, 1e15))
def test_a_decimal_has_no_exponent_and_is_read_as_the_same_number(number):
    text = decimal(number)
    assert "e" not in text.lower()
    assert np.float64(text) == number

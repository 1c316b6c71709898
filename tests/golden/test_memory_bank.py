"""The bank reads and writes what the authors' memory bank does, float32, exactly."""

import pytest

from untrimmed.sources.bank import FeatureBank


@pytest.fixture
def arrays(golden):
    return golden("tallformer/memory_bank.npz")


@pytest.fixture
def bank(arrays, tmp_path):
    cells, channels = arrays["bank0"].shape
    bank = FeatureBank.create(
        tmp_path / "bank",
        {"before": 3, "video": cells, "behind": 2},
        channels=channels,
        dtype="float32",
    )
    bank.write("video", 0, arrays["bank0"], step=0)
    return bank


def steps(arrays):
    count = len({key.split("/")[0] for key in arrays if key.startswith("step")})
    for number in range(count):
        step = f"step{number}/"
        per_clip = arrays[step + "read"].shape[-1]
        first_cells = (arrays[step + "ids"] * per_clip + arrays[step + "offset"]).tolist()
        yield (
            number,
            first_cells,
            {name: arrays[step + name] for name in ("read", "write", "bank_after")},
        )


def test_reads_are_those_of_the_authors_before_each_write(arrays, bank):
    for number, first_cells, wanted in steps(arrays):
        for first_cell, features in zip(first_cells, wanted["read"], strict=True):
            values, _ = bank.read("video", first_cell, features.shape[1])
            assert values.T.tolist() == features.tolist()
        for first_cell, features in zip(first_cells, wanted["write"], strict=True):
            bank.write("video", first_cell, features.T, step=number)


def test_the_bank_after_each_write_is_that_of_the_authors(arrays, bank):
    for number, first_cells, wanted in steps(arrays):
        for first_cell, features in zip(first_cells, wanted["write"], strict=True):
            bank.write("video", first_cell, features.T, step=number)
        values, _ = bank.read("video", 0, len(wanted["bank_after"]))
        assert values.tolist() == wanted["bank_after"].tolist()


def test_what_overhangs_touches_no_other_video(arrays, bank):
    for number, first_cells, wanted in steps(arrays):
        for first_cell, features in zip(first_cells, wanted["write"], strict=True):
            bank.write("video", first_cell, features.T, step=number)
    assert not bank.filled("before", 0, 3).any()
    assert not bank.filled("behind", 0, 2).any()

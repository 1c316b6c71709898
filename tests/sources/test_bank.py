"""The feature bank: overhang, precision, age and copies."""

import numpy as np
import pytest
import torch

from untrimmed.sources.bank import FeatureBank

LENGTHS = {"a": 4, "b": 7, "c": 2}
C = 3


@pytest.fixture
def bank(tmp_path):
    return FeatureBank.create(
        tmp_path / "bank", LENGTHS, channels=C, dtype="float32", meta={"encoder": "abc"}
    )


def features(cells, *, start=1.0):
    return np.arange(cells * C, dtype=np.float32).reshape(cells, C) + np.float32(start)


def test_what_was_written_is_read(bank):
    bank.write("b", 2, features(3), step=5)
    values, valid = bank.read("b", 2, 3)
    assert values.tolist() == features(3).tolist()
    assert valid.all()


def test_overhang_on_both_sides_is_zero_and_not_valid(bank):
    bank.write("c", 0, features(2), step=0)
    values, valid = bank.read("c", -1, 5)
    assert valid.tolist() == [False, True, True, False, False]
    assert values[[0, 3, 4]].tolist() == np.zeros((3, C)).tolist()
    assert values[1:3].tolist() == features(2).tolist()


@pytest.mark.parametrize("start", [-9, -3, 7, 30])
def test_a_window_outside_of_the_video_is_empty(bank, start):
    bank.write("b", start, features(3), step=0)
    values, valid = bank.read("b", start, 3)
    assert not valid.any()
    assert not values.any()
    assert not any(bank.filled(id, 0, cells).any() for id, cells in LENGTHS.items())


def test_writing_beyond_a_video_leaves_its_neighbours_alone(bank):
    bank.write("b", -2, features(20), step=1)
    assert bank.read("b", 0, 7)[0].tolist() == features(20)[2:9].tolist()
    assert not bank.filled("a", 0, 4).any()
    assert not bank.filled("c", 0, 2).any()


def test_a_cell_never_written_is_valid_and_zero_but_not_filled(bank):
    bank.write("a", 1, features(1), step=0)
    values, valid = bank.read("a", 0, 5)
    assert valid.tolist() == [True, True, True, True, False]
    assert bank.filled("a", 0, 5).tolist() == [False, True, False, False, False]
    assert not values[[0, 2, 3]].any()


def test_what_is_read_is_a_copy(bank):
    bank.read("a", 0, 4)[0][:] = 1
    assert not bank.read("a", 0, 4)[0].any()


def test_age_counts_steps_since_the_last_write(bank):
    bank.write("a", 0, features(2), step=3)
    bank.write("a", 1, features(1), step=10)
    assert bank.ages("a", -1, 6, step=12).tolist() == [-1, 9, 2, -1, -1, -1]


def test_mean_age_is_over_cells_that_were_written(bank):
    assert bank.mean_age(7) == 0.0
    bank.write("a", 0, features(1), step=1)
    bank.write("b", 0, features(3), step=5)
    assert bank.mean_age(7) == (6 + 3 * 2) / 4


def test_half_precision_rounds_to_the_nearest(tmp_path):
    bank = FeatureBank.create(tmp_path / "bank", {"a": 1}, channels=1)
    bank.write("a", 0, np.array([[1 / 3]], np.float32), step=0)
    values, _ = bank.read("a", 0, 1)
    assert values.dtype == np.float32
    assert values[0, 0] == np.float32(np.float16(1 / 3))


def test_bfloat16_rounds_to_the_nearest_as_torch_does(tmp_path):
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**32, (500, C), dtype=np.uint32)
    bits[:200] &= 0xFFFF8000  # many of these lie in the middle between two
    values = bits.view(np.float32)
    values = np.where(np.abs(values) < 3e38, values, 0.0).astype(np.float32)
    bank = FeatureBank.create(tmp_path / "bank", {"a": 500}, channels=C, dtype="bfloat16")
    bank.write("a", 0, values, step=0)
    again = FeatureBank.open(tmp_path / "bank")
    wanted = torch.from_numpy(values).bfloat16().float().numpy()
    assert np.array_equal(again.read("a", 0, 500)[0], wanted)
    assert (tmp_path / "bank" / "features.npy").stat().st_size < 2 * values.size + 200


@pytest.mark.parametrize("value", [np.nan, -np.inf, 3.4e38, 1e300])
def test_what_bfloat16_cannot_hold_is_refused(value):
    bank = FeatureBank.create(None, {"a": 1}, channels=1, dtype="bfloat16")
    with pytest.raises(ValueError, match="not finite, or too large for bfloat16"):
        bank.write("a", 0, np.array([[value]]), step=0)
    bank.write("a", 0, np.array([[70000.0]]), step=0)
    assert bank.read("a", 0, 1)[0] == pytest.approx(70000, rel=2**-8)


@pytest.mark.parametrize("value", [np.nan, np.inf, 70000.0])
def test_what_half_precision_cannot_hold_is_refused(tmp_path, value):
    bank = FeatureBank.create(tmp_path / "bank", {"a": 1}, channels=1)
    with pytest.raises(ValueError, match="video a: features that are not finite, or too large"):
        bank.write("a", 0, np.array([[value]]), step=0)
    assert not bank.filled("a", 0, 1).any()


def test_a_bank_opened_again_holds_all(bank):
    bank.write("b", 0, features(7), step=4)
    bank.flush()
    again = FeatureBank.open(bank.folder)
    assert again.read("b", 0, 7)[0].tolist() == features(7).tolist()
    assert again.ages("b", 0, 1, step=6).tolist() == [2]
    assert (again.lengths, again.channels, again.meta) == (LENGTHS, C, {"encoder": "abc"})


def test_another_reader_sees_what_is_written(bank):
    reader = FeatureBank.open(bank.folder)
    bank.write("a", 0, features(4), step=0)
    assert reader.read("a", 0, 4)[0].tolist() == features(4).tolist()


def test_a_bank_opened_for_reading_refuses_writes(bank):
    with pytest.raises(ValueError, match="read-only"):
        FeatureBank.open(bank.folder).write("a", 0, features(1), step=0)


def test_a_copy_holds_all_as_it_was(bank, tmp_path):
    bank.write("a", 0, features(4), step=1)
    bank.copy_to(tmp_path / "saved")
    bank.write("a", 2, features(1, start=50), step=2)
    bank.write("c", 0, features(2), step=2)
    saved = FeatureBank.open(tmp_path / "saved")
    assert saved.read("a", 0, 4)[0].tolist() == features(4).tolist()
    assert saved.ages("a", 0, 4, step=2).tolist() == [1] * 4
    assert not saved.filled("c", 0, 2).any()
    assert (saved.lengths, saved.channels, saved.meta) == (LENGTHS, C, {"encoder": "abc"})


def test_a_bank_in_memory_is_that_on_disk(bank, tmp_path):
    in_memory = FeatureBank.create(None, LENGTHS, channels=C, dtype="float32", meta=bank.meta)
    for each in (bank, in_memory):
        each.write("b", -1, features(5), step=3)
        each.copy_to(tmp_path / "saved")
        again = FeatureBank.open(tmp_path / "saved", in_memory=True)
        again.write("b", 0, features(1, start=90), step=4)
        assert again.folder is None
        assert again.ages("b", 0, 7, step=4).tolist() == [0, 1, 1, 1, -1, -1, -1]
    assert in_memory.read("b", 0, 7)[0].tolist() == bank.read("b", 0, 7)[0].tolist()
    on_disk = FeatureBank.open(tmp_path / "saved")
    assert on_disk.ages("b", 0, 1, step=4).tolist() == [1]  # what was read whole is apart


def test_a_copy_does_not_change_with_the_bank(bank, tmp_path):
    bank.copy_to(tmp_path / "saved")
    bank.write("a", 0, features(4), step=1)
    assert not FeatureBank.open(tmp_path / "saved").filled("a", 0, 4).any()


def test_a_copy_replaces_an_earlier_one_and_leaves_nothing_else(bank, tmp_path):
    for step in range(3):
        bank.write("a", 0, features(4, start=step), step=step)
        bank.copy_to(tmp_path / "saved")
    saved = FeatureBank.open(tmp_path / "saved")
    assert saved.read("a", 0, 4)[0].tolist() == features(4, start=2).tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank", "saved"]


def test_a_copy_cut_off_between_two_renames_is_the_old_one(bank, tmp_path):
    bank.write("a", 0, features(4), step=0)
    bank.copy_to(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / ".saved.replaced")
    assert FeatureBank.open(tmp_path / "saved").filled("a", 0, 4).all()


def test_a_bank_is_not_copied_onto_itself(bank):
    with pytest.raises(ValueError, match="onto itself"):
        bank.copy_to(bank.folder / ".." / bank.folder.name)


def test_a_bank_does_not_replace_a_folder(bank):
    with pytest.raises(FileExistsError, match="a folder of this name"):
        FeatureBank.create(bank.folder, LENGTHS, channels=C)


@pytest.mark.parametrize(("lengths", "channels"), [({}, 1), ({"a": 0}, 1), ({"a": 1}, 0)])
def test_a_bank_of_nothing_is_refused(tmp_path, lengths, channels):
    with pytest.raises(ValueError, match="a bank needs videos of 1 cell or more"):
        FeatureBank.create(tmp_path / "bank", lengths, channels=channels)


def test_a_video_that_the_bank_does_not_have_is_an_error(bank):
    with pytest.raises(KeyError, match="the bank has no video z"):
        bank.read("z", 0, 1)


def test_features_of_other_channels_are_refused(bank):
    with pytest.raises(ValueError, match=r"shape \(4, 2\) for a bank of 3 channels"):
        bank.write("a", 0, np.zeros((4, 2)), step=0)


def test_a_step_before_the_first_is_refused(bank):
    with pytest.raises(ValueError, match="step -1"):
        bank.write("a", 0, features(1), step=-1)

import numpy as np
import pytest
import torch

from untrimmed.data.windows import WindowShape, window_at
from untrimmed.nn.splice import splice
from untrimmed.sources.bank import FeatureBank
from untrimmed.train.device_bank import DeviceBank
from untrimmed.train.memory import fill, is_known, known_ages, no_memory, recall, remember

CPU = torch.device("cpu")
SHAPE = WindowShape(clip_frames=8, clips=3, stride=2)  # 4 cells a clip, 12 a window
CELLS = 17
FRAMES = 33


@pytest.fixture(params=["disk", "memory", "device"])
def bank(tmp_path, request):
    folder = tmp_path / "bank" if request.param == "disk" else None
    bank = FeatureBank.create(folder, {"v": CELLS, "w": 5}, channels=2, dtype="float32")
    bank = DeviceBank(bank, CPU) if request.param == "device" else bank
    numbers = torch.arange(2.0 * CELLS).reshape(CELLS, 2).T
    fill(bank, "v", [numbers[:, :6], numbers[:, 6:]])
    return bank


def window(first_cell, video="v", frames=FRAMES):
    return window_at(video, first_cell, video_frames=frames, fps=10, shape=SHAPE)


@pytest.mark.parametrize("first_cell", range(CELLS))
def test_what_is_remembered_comes_back_at_every_shift(bank, first_cell):
    windows = [window(first_cell)]
    place = torch.tensor([[0, 2]])
    fresh = -1.0 - torch.rand(1, 2, 2, 4)
    before = recall(bank, windows, device=CPU)
    remember(bank, windows, place, fresh, step=3)
    after = recall(bank, windows, device=CPU)

    rewritten = torch.zeros(12, dtype=torch.bool)
    rewritten[0:4] = rewritten[8:12] = True
    rewritten &= after.valid[0]
    joined = torch.cat([fresh[0, 0], torch.zeros(2, 4), fresh[0, 1]], 1)
    assert torch.equal(after.values[0, :, rewritten], joined[:, rewritten])
    assert torch.equal(after.values[0, :, ~rewritten], before.values[0, :, ~rewritten])


def test_cells_behind_the_end_are_neither_valid_nor_anything_but_zero(bank):
    memory = recall(bank, [window(10), window(0)], device=CPU)
    assert memory.valid.sum(1).tolist() == [7, 12]
    assert (memory.values[0, :, 7:] == 0).all()


def test_windows_of_a_batch_keep_their_rows(bank):
    windows = [window(0), window(0, video="w", frames=10)]
    remember(bank, windows, torch.tensor([[1], [0]]), torch.ones(2, 1, 2, 4), step=1)
    assert bank.ages("v", 0, 12, step=1).tolist() == [1] * 4 + [0] * 4 + [1] * 4
    assert bank.ages("w", 0, 5, step=1).tolist() == [0] * 4 + [-1]


def test_a_step_without_a_bank_knows_which_cells_exist():
    memory = no_memory([window(10), window(0)], channels=3, device=CPU)
    assert memory.values.shape == (2, 3, 12)
    assert memory.valid.sum(1).tolist() == [7, 12]


def test_age_is_of_written_cells_alone(bank):
    remember(bank, [window(0)], torch.tensor([[0]]), torch.zeros(1, 1, 2, 4), step=6)
    assert sorted(known_ages(bank, [window(0)], step=6).tolist()) == [0] * 4 + [6] * 8
    assert known_ages(bank, [window(0, video="w", frames=10)], step=6).size == 0


def test_pieces_are_written_one_behind_the_other(bank):
    values, _ = bank.read("v", 0, CELLS)
    assert np.array_equal(np.asarray(values), np.arange(2.0 * CELLS).reshape(CELLS, 2))


def test_a_window_is_known_once_all_its_cells_are_written(bank):
    assert is_known(bank, window(0))
    assert is_known(bank, window(10))  # it overhangs the end
    other = window(0, video="w", frames=10)
    fill(bank, "w", [torch.ones(2, 3)], first_cell=2)
    assert not is_known(bank, other)
    assert bank.ages("w", 0, 5, step=4).tolist() == [-1, -1, 4, 4, 4]
    fill(bank, "w", [torch.ones(2, 1), torch.ones(2, 1)], step=9)
    assert is_known(bank, other)


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_reads_and_writes_agree_at_all_32_shifts(stride):
    """Features are the number of their first frame: every cell must hold its own, whoever wrote."""
    shape = WindowShape(clip_frames=32, clips=3, stride=stride)
    frames = 5 * 32 + 11
    cells = shape.cells_of(frames)
    own = torch.arange(cells) * float(stride)
    for shift in range(32 // stride):
        bank = FeatureBank.create(None, {"v": cells}, channels=1, dtype="float32")
        for first in range(shift, cells, shape.cells):
            here = window_at("v", first, video_frames=frames, fps=10, shape=shape)
            place = torch.arange(3)
            numbers = [here.clips.frames(int(clip))[::stride] for clip in place]
            fresh = torch.from_numpy(np.stack(numbers)).float()[None, :, None]  # (1, 3, 1, K)
            remember(bank, [here], place[None], fresh, step=0)
        held = torch.from_numpy(bank.read("v", 0, cells)[0])[:, 0]
        assert torch.equal(held[shift:], own[shift:])
        for other in range(shift, cells, 7):
            there = window_at("v", other, video_frames=frames, fps=10, shape=shape)
            memory = recall(bank, [there], device=CPU)
            inside = own[other : other + shape.cells]
            assert torch.equal(memory.values[0, 0, : len(inside)], inside)
            assert memory.valid[0].sum() == len(inside)


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_reads_and_writes_agree_at_all_32_shifts_of_clips(stride):
    """As above, in windows that stay where they are while clips are cut elsewhere."""
    shape = WindowShape(clip_frames=32, clips=3, stride=stride)
    frames = 2 * 32 + 11
    cells = shape.cells_of(frames)
    for shift in range(32 // stride):
        bank = FeatureBank.create(None, {"v": cells, "w": 3}, channels=1, dtype="float32")
        here = window_at("v", 0, video_frames=frames, fps=10, shape=shape, shift=shift)
        place = torch.arange(here.valid_clips)[None]
        numbers = [here.clips.frames(int(clip))[::stride] for clip in place[0]]
        fresh = torch.from_numpy(np.stack(numbers)).float()[None, :, None]  # (1, M, 1, K)
        remember(bank, [here], place, fresh, step=0)

        memory = recall(bank, [here], device=CPU)
        own = torch.arange(cells) * float(stride)
        assert torch.equal(memory.values[0, 0, :cells], own)
        assert not bank.filled("w", 0, 3).any()
        joined = splice(memory, -fresh, clips=place, shift=torch.tensor([shift]))
        assert torch.equal(joined.values, -memory.values)
        assert torch.equal(joined.valid, memory.valid)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_on_a_device_the_same_is_remembered_and_saved(tmp_path, dtype):
    banks = [FeatureBank.create(None, {"v": CELLS}, channels=3, dtype=dtype) for _ in range(2)]
    banks[1] = DeviceBank(banks[1], CPU)
    fresh = torch.randn(1, 2, 3, 4)
    memories = []
    for number, bank in enumerate(banks):
        remember(bank, [window(3)], torch.tensor([[0, 2]]), fresh, step=4)
        memories.append(recall(bank, [window(1)], device=CPU).values)
        bank.copy_to(tmp_path / str(number))
    assert torch.equal(*memories)
    saved = [FeatureBank.open(tmp_path / str(number)) for number in range(2)]
    assert (saved[0].features == saved[1].features).all()
    assert (saved[0].written == saved[1].written).all()
    assert (saved[0].written == 4).sum() == 8
    again = DeviceBank(FeatureBank.open(tmp_path / "1", in_memory=True), CPU)
    assert torch.equal(recall(again, [window(1)], device=CPU).values, memories[0])


def test_a_device_bank_refuses_what_it_cannot_hold():
    bank = DeviceBank(FeatureBank.create(None, {"v": 5}, channels=1, dtype="float16"), CPU)
    with pytest.raises(ValueError, match="video v: features that are not finite, or too large"):
        bank.write("v", 0, torch.tensor([[70000.0]]), step=0)
    assert bank.ages("v", 0, 1, step=3).tolist() == [-1]

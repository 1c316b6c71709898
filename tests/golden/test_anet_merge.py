"""Memory and fresh clips of a shifted video are joined as in the authors' ActivityNet code.

Their encoder is replaced, in these numbers, by the mean over space of each pair of frames.
"""

import pytest
import torch
import torch.nn.functional as F

from untrimmed.nn.splice import splice
from untrimmed.sources.bank import FeatureBank
from untrimmed.tensors import Padded

CLIP = 16  # frames
CELL = 2


@pytest.fixture(params=range(5))
def case(request, golden):
    arrays = golden("tallformer/anet_merge.npz")
    prefix = f"case{request.param}/"
    below = {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
    return {"bank0": arrays["bank0"], **below}


@pytest.fixture
def bank(case, tmp_path):
    cells, channels = case["bank0"].shape
    bank = FeatureBank.create(
        tmp_path / "bank", {"video": cells}, channels=channels, dtype="float32"
    )
    bank.write("video", 0, case["bank0"], step=0)
    return bank


def shift(case):
    """Frames before the video, and behind it, that fill up a clip more."""
    shifted, before = case["shift"].tolist()
    return (before, CLIP - before) if shifted else (0, 0)


def fresh_clips(case):
    """Features of the sampled clips, (1, M, C, K)."""
    frames = F.pad(torch.from_numpy(case["video"]), (0, 0, 0, 0, *shift(case)))
    cells = frames.mean((-2, -1)).unflatten(2, (-1, CLIP // CELL, CELL)).mean(-1)  # (1, C, N, K)
    return cells[:, :, case["keep"]].transpose(1, 2)


def remembered(case, bank):
    """What the bank knows of the shifted window, by the position from which they read."""
    clips = len(case["keep"]) + len(case["drop"])
    first_cell = -shift(case)[0] // CELL  # rounded down, which is half a cell off at odd shifts
    values, valid = bank.read("video", first_cell, clips * CLIP // CELL)
    return Padded.of(torch.from_numpy(values.T.copy())[None], torch.from_numpy(valid)[None])


def test_what_is_remembered_of_the_other_clips_is_theirs(case, bank):
    clips = remembered(case, bank).values.unflatten(2, (-1, CLIP // CELL))  # (1, C, N, K)
    for clip, wanted in zip(case["drop"], case["memory"], strict=True):
        assert clips[:, :, clip].tolist() == wanted.tolist()


def test_fresh_clips_take_the_place_of_what_is_remembered(case, bank):
    before = shift(case)[0] // CELL
    # What the window has without the shift, read from where they read.
    cells = case["merged"].shape[-1]
    whole = Padded.whole(remembered(case, bank).values[..., before : before + cells])
    merged = splice(
        whole,
        fresh_clips(case),
        clips=torch.from_numpy(case["keep"])[None],
        shift=torch.tensor([before]),
    )
    torch.testing.assert_close(merged.values, torch.from_numpy(case["merged"]))


def test_the_bank_afterwards_is_theirs(case, bank):
    before = shift(case)[0] // CELL
    for clip, features in zip(case["keep"], fresh_clips(case)[0], strict=True):
        first_cell = int(clip) * CLIP // CELL - before
        bank.write("video", first_cell, features.T.numpy(), step=1)
    values, _ = bank.read("video", 0, len(case["bank_after"]))
    torch.testing.assert_close(
        torch.from_numpy(values.copy()), torch.from_numpy(case["bank_after"])
    )

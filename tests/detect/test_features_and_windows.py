import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.detect.features import encode_video
from untrimmed.detect.video import laid_windows


class Counting:
    """Frames whose pixels are their own number, of which each is read by number."""

    fps, size = 10.0, (2, 2)

    def __init__(self, count):
        self.count = count
        self.duration_s = count / self.fps

    def read(self, numbers):
        assert ((numbers >= 0) & (numbers < self.count)).all()
        return np.broadcast_to(numbers[:, None, None, None], (len(numbers), 2, 2, 3)).astype("u1")


class Means(torch.nn.Module):
    """Each cell is the mean of its two frames."""

    channels, stride = 1, 2

    def forward(self, clips):
        return clips.float().mean((1, 3, 4)).unflatten(1, (-1, 2)).mean(-1)[:, None]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40, 63])
@pytest.mark.parametrize("at_once", [1, 3])
def test_every_cell_of_a_video_is_encoded_once_and_in_order(count, at_once):
    pieces = list(encode_video(Means(), Counting(count), clip_frames=8, clips_at_once=at_once))
    cells = torch.cat(pieces, 1)[0]
    last = count - 1
    wanted = [(min(2 * k, last) + min(2 * k + 1, last)) / 2 for k in range(-(-count // 2))]
    assert cells.tolist() == wanted


@given(
    st.integers(1, 70),
    st.integers(2, 20),
    st.floats(0, 0.9),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_windows_hold_the_cells_they_say_whatever_the_pieces(cells, length, overlap, sizes):
    numbers = torch.arange(1.0, cells + 1)[None]
    pieces, at, turn = [], 0, 0
    while at < cells:
        pieces.append(numbers[:, at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    for start, window in laid_windows(pieces, cells=cells, length=length, overlap=overlap):
        real = min(length, cells - start)
        assert window.valid.sum() == real
        assert window.values[0, 0, :real].tolist() == list(range(start + 1, start + real + 1))
        assert (window.values[0, 0, real:] == 0).all()

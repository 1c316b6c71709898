from collections import Counter

import numpy as np

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Video
from untrimmed.core.grid import TimeGrid
from untrimmed.data.labelled_clips import LabelledClips, cell_shares


class Numbered:
    """Frames whose pixels are their own number."""

    fps, count, duration_s, size = 10.0, 200, 20.0, (2, 3)

    def read(self, numbers):
        return np.broadcast_to(numbers[:, None, None, None], (len(numbers), 2, 3, 3)).astype("u1")


def clips(actions, seed=0):
    return LabelledClips(
        [Video(id="v", duration_s=20.0, actions=actions)],
        lambda _: Numbered(),
        classes=3,
        clip_frames=8,
        stride=2,
        seed=seed,
    )


def test_overlapping_actions_share_a_cell_and_background_fills_the_rest():
    grid = TimeGrid(first_s=0, step_s=1.0, length=4)
    shares = cell_shares(Actions([[0, 2], [1, 3]], [2, 0]), grid, classes=3)
    assert shares.tolist() == [[0, 0, 1, 0], [0.5, 0, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


def test_rare_classes_and_background_are_drawn_as_often_as_common_ones():
    actions = Actions([[1, 3], [3, 5], [5, 7], [10, 11]], [0, 0, 0, 1])
    dataset = clips(actions)
    middles = [dataset[(0, index)].shares[2].argmax().item() for index in range(400)]
    counts = Counter(middles)
    assert counts[2] == 0
    assert min(counts[0], counts[1], counts[3]) > 90


def test_labels_belong_to_the_frames_that_are_shown():
    dataset = clips(Actions([[4.0, 6.0]], [1]))
    for index in range(30):
        clip = dataset[(0, index)]
        numbers = clip.frames[0, ::2, 0, 0].numpy()  # first frame of each cell
        wanted = (numbers + 1 >= 40) & (numbers + 1 < 60)
        assert (clip.shares[:, 1].numpy() == wanted).all()


def test_the_same_key_gives_the_same_clip():
    dataset = clips(Actions([[4.0, 6.0]], [1]))
    assert (dataset[(3, 5)].frames == dataset[(3, 5)].frames).all()
    assert not (dataset[(3, 5)].frames == dataset[(3, 6)].frames).all()

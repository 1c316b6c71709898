import numpy as np

from untrimmed.data.sampling import choose_clips


def test_random_clips_are_those_of_the_authors(golden):
    bank = golden("tallformer/memory_bank.npz")
    cases = sorted({key.split("/")[0] for key in bank if key.startswith("select")})
    assert cases
    for case in cases:
        frames, clip_frames, rate, seed = bank[f"{case}/args"]
        chosen = choose_clips(
            int(frames // clip_frames),
            keep=float(rate),
            random=np.random.RandomState(int(seed)),
        )
        assert chosen.tolist() == bank[f"{case}/random"].tolist()

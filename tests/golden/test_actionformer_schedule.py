"""Learning rates of every step, as the authors' scheduler gives them.

Source: ActionFormer's code, run with the settings that the file holds.
"""

import numpy as np
import pytest

from untrimmed.train.optimizer import Schedule

WARM = {"warmup": "before", "warmup_from": 0.0}
FLOOR = 1e-8
"""Of the cosine, as a rate."""


@pytest.mark.parametrize("case", ["cosine_warmup", "cosine_warmup_thumos", "multistep_warmup"])
def test_rates_after_a_warm_up_are_the_authors(golden, case):
    arrays = golden("actionformer/optim/schedules.npz")
    base, per_epoch, warm_epochs, epochs = arrays[f"{case}_meta"]
    wanted = arrays[case]
    if case.startswith("cosine"):
        schedule = Schedule(warmup_epochs=warm_epochs, floor=FLOOR / base, **WARM)
    else:
        milestones = (2 / epochs, 4 / epochs)
        schedule = Schedule(
            kind="multistep", milestones=milestones, gamma=0.1, warmup_epochs=warm_epochs, **WARM
        )
    total = warm_epochs + epochs
    steps = int(total * per_epoch)
    rates = [base * schedule.factor(k, steps=steps, epochs=total) for k in range(steps)]
    few = min(len(wanted), steps)
    np.testing.assert_allclose(rates[:few], wanted[:few], rtol=1e-6, atol=1e-12)
    assert few >= steps - 1


def test_rates_without_a_warm_up_are_the_authors(golden):
    arrays = golden("actionformer/optim/schedules.npz")
    base = arrays["cosine_nowarmup_meta"][0]
    wanted = arrays["cosine_nowarmup"]
    rates = [base * Schedule().factor(k, steps=len(wanted)) for k in range(len(wanted))]
    np.testing.assert_allclose(rates, wanted, rtol=1e-6, atol=1e-12)

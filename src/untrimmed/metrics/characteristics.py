"""Properties of actions, and the buckets into which an error analysis sorts their values.

Alwassel et al., ECCV 2018 (DETAD); what is done with the buckets is `metrics.sensitivity`.

Shapes: A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

MEASURES = ("coverage", "length", "instances")
"""What is known of an action: its share of the video, its seconds, how many of its class the video
has, itself among them."""


@dataclass(frozen=True)
class Characteristic:
    """A property of actions, and the buckets that its values fall into.

    Args:
        name: one of `MEASURES`.
        edges: rising, one more than labels.  A bucket holds its right edge, and the first one its
            left edge as well; what lies outside of all is in none.
        labels: of the buckets.

    Raises:
        ValueError: if the name is unknown, the edges do not rise, or do not fit the labels.
    """

    name: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name not in MEASURES:
            raise ValueError(f"no such measure: {self.name!r}; there are: {', '.join(MEASURES)}")
        if not self.labels or len(self.edges) != len(self.labels) + 1:
            raise ValueError(f"{self.name}: {len(self.edges)} edges for {len(self.labels)} buckets")
        if not all(left < right for left, right in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"{self.name}: the edges do not rise: {self.edges}")

    def bucket(self, values: ArrayLike) -> Int64[np.ndarray, " A"]:
        """Place of the bucket of each value, -1 for those in none."""
        values = np.asarray(values, dtype=np.float64)
        place = np.searchsorted(self.edges, values, side="left") - 1
        place[values == self.edges[0]] = 0
        place[place == len(self.labels)] = -1
        return place


_SIZES = ("XS", "S", "M", "L", "XL")

ACTIVITYNET = (
    Characteristic("coverage", (0, 0.2, 0.4, 0.6, 0.8, 1), _SIZES),
    Characteristic("length", (0, 30, 60, 120, 180, np.inf), _SIZES),
    Characteristic("instances", (-1, 1, 4, 8, np.inf), _SIZES[:4]),
)
"""The paper's buckets for ActivityNet, lengths in seconds."""

THUMOS14 = (
    Characteristic("coverage", (0, 0.02, 0.04, 0.06, 0.08, 1), _SIZES),
    Characteristic("length", (0, 3, 6, 12, 18, np.inf), _SIZES),
    Characteristic("instances", (-1, 1, 40, 80, np.inf), _SIZES[:4]),
)
"""The paper's buckets for THUMOS14."""


def quantile_buckets(name: str, values: Float64[np.ndarray, " A"]) -> Characteristic:
    """Five buckets with about as many values each, fewer where values repeat."""
    inner: list[float] = []
    if values.size:
        fifths = np.quantile(values, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
        inner = [edge for edge in np.unique(fifths).tolist() if edge < values.max()]
    labels = {1: ("all",), 2: ("S", "L"), 3: ("S", "M", "L"), 4: _SIZES[:4], 5: _SIZES}
    return Characteristic(name, (0.0, *inner, float("inf")), labels[len(inner) + 1])

"""What is made of a weight before it is used, made once for all pieces of a sequence.

Autocast remembers its own copies of weights in the same way; this is for what it does not know.

Shapes: any.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from torch import Tensor

Made = TypeVar("Made")


@contextmanager
def weights_unchanged() -> Iterator[None]:
    """Within, whatever `prepared` is asked for is made once, and forgotten at the end.

    Nothing may change weights or the settings of autocast within, nor want a gradient of them.
    """
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def prepared(make: Callable[..., Made], weight: Tensor, *settings: Hashable) -> Made:
    """`make(weight, *settings)`, perhaps from before."""
    made = _made.get()
    if made is None:
        return make(weight, *settings)
    key = (make, id(weight), *settings)
    if key not in made:
        made[key] = weight, make(weight, *settings)
    return cast(Made, made[key][1])


_made: ContextVar[dict[tuple[Hashable, ...], tuple[Tensor, Any]] | None] = ContextVar(
    "made", default=None
)
"""By what made it and of what, the weight, without which its `id` could be another's, and the
result; None outside of `weights_unchanged`."""

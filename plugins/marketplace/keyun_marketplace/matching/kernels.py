"""Choose the kernel: compiled when numba is there, numpy otherwise; both rank the same."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Protocol, cast

from keyun_marketplace.matching.factors import Factors
from keyun_marketplace.matching.segment import Array, Segment


class Kernel(Protocol):
    """Accumulate text scores, then select the best with all factors."""

    def accumulate(self, segment: Segment, terms: Array, weights: Array, scores: Array) -> None: ...

    def select(
        self, segment: Segment, scores: Array, dead: Array, factors: Factors, k: int
    ) -> tuple[Array, Array]: ...

    def contributions(self, segment: Segment, terms: Array, weights: Array, documents: Array) -> Array: ...


def available() -> tuple[str, ...]:
    """The kernels that can be used here, best first."""
    return ("numba", "numpy") if importlib.util.find_spec("numba") else ("numpy",)


def choose(name: str | None = None, cache: Path | None = None) -> Kernel:
    """Return the kernel ``name`` (default: the best). ``cache`` keeps compiled code between processes."""
    name = name or available()[0]
    if name == "numpy":
        from keyun_marketplace.matching import kernel_numpy

        return cast(Kernel, kernel_numpy)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        # Read by numba when it is imported; site-packages may be read-only.
        os.environ.setdefault("NUMBA_CACHE_DIR", str(cache.resolve()))
    from keyun_marketplace.matching import kernel_numba

    return cast(Kernel, kernel_numba)

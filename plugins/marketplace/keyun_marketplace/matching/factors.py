"""What a query asks of records besides its words, in the form the kernels read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Factors(NamedTuple):
    """Numbers only: the kind to keep, whose records to leave out, and the share of each bonus (float32)."""

    kind: int
    owner: int
    organization: int
    discipline: int
    region: int
    fresh_since: int
    field: np.float32
    county: np.float32
    city: np.float32
    province: np.float32
    verified: np.float32
    fresh: np.float32

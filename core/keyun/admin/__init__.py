"""What administrators look at and act on: plugins, jobs, indexes, reviews, events."""

from __future__ import annotations

"""What a later version of the plugin API removes, and how its users hear of it.

A deprecated hook, or one of its arguments, goes on working. Implementing it is noted when the plugin is
loaded: once in the log, in ``keyun plugins check`` and for tests, where warnings are errors. It is removed
with the major version of its class, and not before two minor releases and twelve months have passed.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pluggy

F = TypeVar("F", bound=Callable[..., Any])
ADDED = re.compile(r"\.\. versionadded:: *(\d+\.\d+)")


class KeyunDeprecation(DeprecationWarning):
    """Base class of all notices; each subclass names the version of the plugin API that removes the thing."""

    version = ""


class RemovedInKeyun2(KeyunDeprecation):
    """Removed with plugin API 2.0."""

    version = "2.0"


def hookspec_deprecated(notice: KeyunDeprecation) -> Callable[[F], F]:
    """A hook specification that goes; ``notice`` names what replaces it."""
    return pluggy.HookspecMarker("keyun")(warn_on_impl=notice)


def hookspec_with_deprecated(**arguments: KeyunDeprecation) -> Callable[[F], F]:
    """A hook specification some arguments of which go; each notice names what replaces the argument."""
    return pluggy.HookspecMarker("keyun")(warn_on_impl_args=arguments)


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Collect the notices given inside the block as sentences; other warnings pass through."""
    out: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield out
    for warning in caught:
        if isinstance(warning.message, KeyunDeprecation):
            out.append(f"{warning.message} (removed in plugin API {warning.message.version})")
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def since(spec: object) -> str | None:
    """The version of the plugin API that brought the hook ``spec``; None for those of the first one."""
    found = ADDED.search(getattr(spec, "__doc__", "") or "")
    return found[1] if found else None

"""Wrap one behaviour: run ``@hookimpl(wrapper=True)`` of one plugin around what all others answer.

Hooks are called plugin by plugin, so that one failure stops nobody else; a wrapper stands around the
whole of it and sees what the caller of the hook gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: Hooks with one answer, and collecting ones whose whole list a plugin may change.
WRAPPABLE = frozenset(
    {
        "keyun_authenticate", "keyun_content_screen", "keyun_fragment", "keyun_menu",
        "keyun_message_send", "keyun_search_backend",
    }
)  # fmt: skip


def wrap(impl: Any, arguments: Mapping[str, Any], ask: Callable[[], Any]) -> Any:
    """Run the wrapper ``impl`` around ``ask`` and return what it makes of the answer.

    An error of ``ask`` is raised at its ``yield``, so that it may answer in its place.

    :raises RuntimeError: when it does not yield exactly once.
    """
    steps = impl.function(*(arguments[name] for name in impl.argnames))
    try:
        next(steps)
    except StopIteration:
        raise RuntimeError(f"{impl.function.__qualname__} did not yield") from None
    try:
        answer = ask()
    except Exception as e:
        go_on, value = steps.throw, e
    else:
        go_on, value = steps.send, answer
    try:
        go_on(value)
    except StopIteration as done:
        return done.value
    steps.close()
    raise RuntimeError(f"{impl.function.__qualname__} yielded twice")

"""What an HTTP answer means for a letter; the same for all providers that speak plain HTTP."""

from __future__ import annotations

from collections.abc import Callable

from keyun_notices.outbox.channels.http import Answer, NoAnswer, NotSent
from keyun_notices.outbox.channels.protocol import Gone, Handed, Later, Refused, Result, Unknown

#: Statuses that say: not this address any more.
DEAD = frozenset({404, 410})
BUSY = 429
KEYS = frozenset({401, 403, 407})


def judged(name: str, answer: Answer, dead: frozenset[int] = DEAD) -> Result:
    """The result of a call that was answered with ``answer``; 2xx is taken."""
    if answer.ok:
        return Handed()
    text = f"{name} answers {answer.status}"
    if answer.status == BUSY or answer.status == 503:
        return Later(text, answer.retry_after(), whole=True)
    if answer.status in dead:
        return Gone(text)
    if answer.status in KEYS:
        return Later(f"{text}: check its key", None, whole=True)
    if answer.status >= 500:
        # It may have acted and then failed; only its word would tell.
        return Unknown(text)
    return Refused(text)


def guarded(call: Callable[[], Result]) -> Result:
    """The result of ``call``, where a call that failed says how far it came."""
    try:
        return call()
    except NotSent as e:
        return Later(str(e), whole=True)
    except NoAnswer as e:
        return Unknown(str(e))

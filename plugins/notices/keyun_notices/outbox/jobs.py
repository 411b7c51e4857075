"""Background work of the outbox."""

from __future__ import annotations

from keyun.jobs import Job
from keyun_notices.outbox.fanout import fan_out
from keyun_notices.outbox.sending import send
from keyun_notices.outbox.services import FANOUT_JOB, SEND_JOB
from keyun_notices.outbox.tidying import tidy

TIDY_JOB = "notices.outbox-tidy"


def jobs() -> tuple[Job, ...]:
    """Put letters of a notice, hand them over, and tidy up."""
    return (
        Job(FANOUT_JOB, fan_out),
        Job(SEND_JOB, send, every=5.0),
        Job(TIDY_JOB, tidy, every=60.0),
    )

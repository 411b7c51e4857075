"""Messages to one person: written with the change they speak of, sent by a job."""

from __future__ import annotations

from keyun.messages.message import MAIL, Gone, Message, TryLater, Uncertain, Undeliverable
from keyun.messages.services import can_send, hand_over, send

__all__ = [
    "MAIL",
    "Gone",
    "Message",
    "TryLater",
    "Uncertain",
    "Undeliverable",
    "can_send",
    "hand_over",
    "send",
]

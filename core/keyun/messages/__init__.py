"""Messages to one person: written with the change they speak of, sent by a job."""

from __future__ import annotations

from keyun.messages.message import MAIL, Message, TryLater, Undeliverable
from keyun.messages.services import can_send, send

__all__ = ["MAIL", "Message", "TryLater", "Undeliverable", "can_send", "send"]

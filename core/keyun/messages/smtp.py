"""Send mail through the server of ``[mail]``; without one, take nothing."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Any

from keyun.messages.message import MAIL, Gone, Message, TryLater, Uncertain, Undeliverable

if TYPE_CHECKING:
    from keyun.config import Config
    from keyun.runtime import Runtime

#: From here on an SMTP reply says that it will not change its mind.
FOR_GOOD = 500
#: Replies to a recipient that say: no such mailbox here (RFC 5321, 4.2.3).
NO_MAILBOX = frozenset({550, 551, 553})


def channels(config: Config) -> tuple[str, ...]:
    """``mail`` when a server is configured."""
    return (MAIL,) if config.mail["host"] else ()


def send(runtime: Runtime, message: Message) -> bool | None:
    """Hand ``message`` to the mail server; None when it is no mail or no server is configured.

    :raises Undeliverable: when the server refuses the message for good.
    :raises Gone: when it knows no such mailbox.
    :raises Uncertain: when the connection broke while the message was handed over.
    """
    if message.channel not in channels(runtime.config):
        return None
    mail = compose(runtime, message)
    with _connected(runtime.config.mail) as server:
        try:
            server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as e:
            code, _ = next(iter(e.recipients.values()))
            if code in NO_MAILBOX:
                raise Gone(f"the mail server refuses the recipient for good ({code})") from None
            _refused(code, "the recipient")
        except smtplib.SMTPResponseException as e:
            _refused(e.smtp_code, "the message")
        except smtplib.SMTPNotSupportedError:
            raise Undeliverable("the mail server cannot reach addresses with letters beyond ASCII") from None
        except (smtplib.SMTPServerDisconnected, OSError) as e:
            raise Uncertain(f"the mail server broke off before its answer: {type(e).__name__}") from None
    return True


def compose(runtime: Runtime, message: Message) -> EmailMessage:
    """The mail; its Message-ID is the same for every attempt, so a repeat can be told."""
    sender = runtime.config.mail["sender"]
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = message.to
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = format_datetime(runtime.clock())
    mail["Message-ID"] = f"<{message.id}@{_domain(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message.unsubscribe:
        mail["List-Unsubscribe"] = f"<{message.unsubscribe}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.text)
    return mail


@contextlib.contextmanager
def _connected(settings: Mapping[str, Any]) -> Iterator[smtplib.SMTP]:
    """The mail server, ready to take a message; what goes wrong here is about no person."""
    where = f"the mail server {settings['host']}:{settings['port']} of [mail]"
    with contextlib.ExitStack() as stack:
        try:
            # Named after the sender: asking the system for a name may take seconds.
            me, patience = _domain(settings["sender"]), settings["timeout_seconds"]
            server = smtplib.SMTP(settings["host"], settings["port"], me, patience)
            stack.callback(_part, server)
            if settings["starttls"]:
                server.starttls(context=ssl.create_default_context())
            if settings["user"]:
                server.login(settings["user"], settings["password"])
        except smtplib.SMTPAuthenticationError as e:
            raise TryLater(f"{where} refuses user and password ({e.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            raise TryLater(f"{where} does not offer what starttls or user ask for") from None
        except OSError as e:
            raise TryLater(f"{where} cannot be used: {type(e).__name__}: {e}") from None
        yield server


def _part(server: smtplib.SMTP) -> None:
    """Say goodbye; whatever is answered, a message that was taken stays taken."""
    with contextlib.suppress(OSError):
        server.quit()
    server.close()


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]


def _refused(code: int, what: str) -> None:
    if code >= FOR_GOOD:
        raise Undeliverable(f"the mail server refuses {what} for good ({code})") from None
    raise TryLater(f"the mail server refuses {what} for now ({code})") from None

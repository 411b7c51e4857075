"""A message is written with the change it speaks of, and handed over once that is safe."""

from __future__ import annotations

import datetime as dt
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.accounts import User
from keyun.config import load
from keyun.errors import ConfigError
from keyun.jobs import JobRow, Worker
from keyun.messages import Gone, Message, Uncertain, Undeliverable, can_send, hand_over, send
from keyun.site import Site
from keyun.testing import Clock, make_user
from keyun.testing.mail import MailServer, mail_server

MakeSite = Callable[..., Site]
WritePlugin = Callable[..., Path]
SMS = """
from keyun.messages import Undeliverable
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    sent = []
    @hookimpl
    def keyun_message_channels(self):
        return ["sms", "mail"]
    @hookimpl
    def keyun_message_send(self, message):
        {body}
"""


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def site(make_site: MakeSite, server: MailServer) -> Site:
    return make_site(config={"mail": server.config})


def write(site: Site, **more: Any) -> str | None:
    """Tell a new user something."""
    with site.writing() as unit:
        values: dict[str, Any] = {"email": "li@example.org", "phone": "13800000000", "name": "李"} | more
        channel = str(values.pop("channel", "mail"))
        user = make_user(unit, f"u{unit.session.query(User).count()}", **values)
        return send(unit, user.id, "有人\n联系您", "请看收件箱。", reason="test.something", channel=channel)


def row(site: Site) -> JobRow | None:
    with site.reading() as unit:
        return unit.session.scalars(sa.select(JobRow).where(JobRow.name == "core.message")).first()


def test_a_message_arrives_and_leaves_no_row(site: Site, server: MailServer) -> None:
    write(site)
    Worker(site).drain()
    (mail,) = server.received
    assert (mail["To"], mail["Subject"]) == ("li@example.org", "有人 联系您")
    assert mail["From"].addresses[0].addr_spec == "cloud@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().strip() == "请看收件箱。"
    assert row(site) is None


def test_a_message_whose_change_is_undone_was_never_written(site: Site, server: MailServer) -> None:
    with pytest.raises(ValueError, match="no"), site.writing() as unit:
        user = make_user(unit, "li", email="li@example.org")
        send(unit, user.id, "x", "y", reason="test.something")
        raise ValueError("no")
    Worker(site).drain()
    assert (server.received, row(site)) == ([], None)


def test_nothing_is_written_for_whom_no_message_reaches(
    site: Site, make_site: MakeSite, server: MailServer
) -> None:
    assert write(site, email=None) is None
    assert write(site, email="b@example.org", phone=None, mail_wanted=False) is None
    assert write(site, email="c@example.org", phone=None, active=False) is None
    assert write(site, email="d@example.org", phone="1", channel="sms") is None
    assert not can_send(make_site())
    assert write(make_site()) is None


def test_the_address_that_counts_is_the_one_when_it_is_sent(site: Site, server: MailServer) -> None:
    write(site)
    assert "li@example.org" not in str(row(site).payload)  # type: ignore[union-attr]
    with site.writing() as unit:
        unit.session.execute(sa.update(User).values(email="new@example.org"))
    Worker(site).drain()
    assert [m["To"] for m in server.received] == ["new@example.org"]
    write(site, phone=None)
    with site.writing() as unit:
        unit.session.execute(sa.update(User).values(mail_wanted=False))
    Worker(site).drain()
    assert len(server.received) == 1


def test_a_refusal_for_now_is_tried_again_with_the_same_id_and_for_good_is_dead(
    site: Site, server: MailServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:

    server.refuse["li@example.org"] = "451 later"
    write(site)
    Worker(site).drain()
    waiting = row(site)
    assert waiting is not None
    assert (waiting.state, waiting.attempts) == ("queued", 1)
    assert "for now (451)" in str(waiting.error)
    number = waiting.payload["message_id"]
    server.refuse.clear()
    clock.tick(dt.timedelta(minutes=1))
    Worker(site).drain()
    assert server.received[0]["Message-ID"] == f"<{number}@example.org>"

    server.refuse["gone@example.org"] = "550 unknown"
    write(site, email="gone@example.org", phone=None)
    Worker(site).drain()
    dead = row(site)
    assert dead is not None
    assert (dead.state, dead.error) == ("dead", "the mail server refuses the recipient for good (550)")
    assert "example.org" not in caplog.text.replace("cloud@example.org", "")


def test_when_nobody_takes_it_any_more_the_job_says_what_to_do(make_site: MakeSite, site: Site) -> None:
    write(site)
    bare = make_site(instance=site.runtime.instance)
    object.__setattr__(bare.runtime.config, "mail", load(Path("/nowhere"), {}).mail)
    Worker(bare).drain()
    dead = row(bare)
    assert dead is not None
    assert dead.state == "dead"
    assert "set [mail] in keyun.toml" in str(dead.error)


def test_a_server_that_does_not_answer_is_named_and_tried_again(make_site: MakeSite) -> None:
    with mail_server() as gone:
        config = gone.config
    site = make_site(config={"mail": config})
    write(site)
    Worker(site).drain()
    waiting = row(site)
    assert waiting is not None
    assert waiting.state == "queued"
    assert f"localhost:{config['port']}" in str(waiting.error)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def direct(site: Site, **more: Any) -> None:
    """Hand one mail over at once, as a plugin does that keeps its own queue."""
    hand_over(site, Message("m1", "mail", "li@example.org", "标题", "正文", "test.something", **more))


def test_a_mail_can_be_ended_by_one_click(site: Site, server: MailServer) -> None:
    direct(site)
    direct(site, unsubscribe="https://cloud.example.org/stop/1")
    plain, ended = server.received
    assert plain["List-Unsubscribe"] is None
    assert ended["List-Unsubscribe"] == "<https://cloud.example.org/stop/1>"
    assert ended["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_server_that_breaks_off_before_its_answer_may_have_taken_it(site: Site, server: MailServer) -> None:
    server.cuts = 1
    with pytest.raises(Uncertain, match="broke off"):
        direct(site)
    assert len(server.received) == 1


def test_a_server_that_is_rude_at_the_end_has_taken_the_mail(site: Site, server: MailServer) -> None:
    server.farewell = "421 closing"
    hand_over(site, Message("m1", "mail", "a@example.org", "主题", "正文", "test"))
    assert len(server.received) == 1


def test_an_unknown_mailbox_is_told_from_a_mail_that_is_refused(site: Site, server: MailServer) -> None:
    server.refuse["li@example.org"] = "550 no such user"
    with pytest.raises(Gone):
        direct(site)
    server.refuse["li@example.org"] = "554 no thanks"
    with pytest.raises(Undeliverable) as refused:
        direct(site)
    assert not isinstance(refused.value, Gone)


def test_user_and_password_are_given_and_checked(make_site: MakeSite) -> None:
    with mail_server(account=("cloud", "s3cret")) as server:
        for password, count in (("wrong", 0), ("s3cret", 1)):
            site = make_site(config={"mail": server.config | {"user": "cloud", "password": password}})
            write(site)
            Worker(site).drain()
            assert len(server.received) == count
            waiting = row(site)
            assert waiting is None or "refuses user and password (535)" in str(waiting.error)
            assert waiting is None or password not in str(waiting.error)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    path = tmp_path / "both.pem"
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {path} -out {path}.crt"
    more = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", *words.split(), *more], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_server_is_trusted_by_its_certificate_only(
    make_site: MakeSite, certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with mail_server(tls=context) as server:
        site = make_site(config={"mail": server.config | {"starttls": True}})
        write(site)
        Worker(site).drain()
        assert len(server.received) == int(trusted)
        assert trusted or "CERTIFICATE_VERIFY_FAILED" in str(row(site).error)  # type: ignore[union-attr]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_plugin_takes_messages_before_the_core(
    make_site: MakeSite, server: MailServer, write_plugin: WritePlugin
) -> None:
    body = "self.sent.append(message) if message.channel == 'sms' else None\n"
    write_plugin(
        "texter", SMS.format(body=body + "        return True if message.channel == 'sms' else None")
    )
    site = make_site("texter", config={"mail": server.config})
    write(site)
    write(site, email=None, phone="13900000000", channel="sms")
    Worker(site).drain()
    (message,) = site.plugins.plugins["texter"].sent  # type: ignore[attr-defined]
    assert (message.to, message.reason, len(server.received)) == ("13900000000", "test.something", 1)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "state", "words"),
    [
        ("raise OSError('no route to ' + message.to)", "queued", "handing over failed with OSError"),
        ("raise Undeliverable('the number is barred')", "dead", "the number is barred"),
    ],
)
def test_a_plugin_that_fails_is_tried_again_and_tells_no_address(
    make_site: MakeSite,
    write_plugin: WritePlugin,
    caplog: pytest.LogCaptureFixture,
    body: str,
    state: str,
    words: str,
) -> None:
    write_plugin("texter", SMS.format(body=body))
    site = make_site("texter")
    write(site, channel="sms")
    Worker(site).drain()
    waiting = row(site)
    assert waiting is not None
    assert waiting.state == state
    assert words in str(waiting.error)
    assert "13800000000" not in f"{waiting.error} {caplog.text}"


def test_a_message_shows_nothing_personal() -> None:
    shown = repr(Message("1", "mail", "li@example.org", "title", "words", "test"))
    assert not [w for w in ("li@", "title", "words") if w in shown]


def test_a_mail_server_without_a_sender_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "keyun.toml").write_text('[mail]\nhost = "localhost"\n')
    with pytest.raises(ConfigError, match=r"mail\.sender"):
        load(tmp_path, {})
    assert (
        load(tmp_path, {"KEYUN_MAIL__SENDER": "a@b.cn", "KEYUN_MAIL__PASSWORD": "p"}).mail["password"] == "p"
    )


def test_a_worker_killed_after_handing_over_sends_again_with_the_same_id(
    site: Site, server: MailServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    write(site)
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_finish", killed)
        with pytest.raises(Killed):
            Worker(site).drain()
    Worker(site).drain()
    assert len(server.received) == 1, "the lease still holds"
    clock.tick(dt.timedelta(minutes=10))
    Worker(site).drain()
    first, second = server.received
    assert first["Message-ID"] == second["Message-ID"]
    assert row(site) is None

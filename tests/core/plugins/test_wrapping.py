"""A plugin wraps a behaviour without knowing whose it is; hooks of absent plugins are optional."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keyun.access import anonymous, system
from keyun.content.types import Draft
from keyun.messages import MAIL, Message
from keyun.plugins.manager import Installation, PluginManager
from keyun.search import Page
from keyun.site import Site

WritePlugin = Callable[..., Path]
MENU = """
from keyun.plugins import MenuItem, Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        yield MenuItem("home.index", "there", 20)
"""
WRAPPER = """
from keyun.content import Verdict
from keyun.plugins import Fragment, MenuItem, Plugin, hookimpl

class P(Plugin):
    @hookimpl(wrapper=True)
    def {hook}:
        {body}
"""
SCREENER = """
from keyun.content import Verdict
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_content_screen(self, actor, draft):
        return Verdict.hold("strict")
"""
DRAFT = Draft("a.b", "title", "", "body", None, {})


def load(*names: str) -> PluginManager:
    return PluginManager.load(names, installation=Installation.scan())


def labels(manager: PluginManager) -> list[str]:
    return [i.label for i in manager.menu(anonymous())]


@pytest.mark.parametrize("order", [("wrapper", "menu"), ("menu", "wrapper")])
def test_a_wrapper_changes_the_menu_of_another_plugin_whatever_the_order(
    write_plugin: WritePlugin, order: tuple[str, str]
) -> None:
    body = "items = yield; return [*items, MenuItem('home.index', f'beside {items[0].label}', 10)]"
    write_plugin("menu", MENU)
    write_plugin("wrapper", WRAPPER.format(hook="keyun_menu(self)", body=body))
    assert labels(load(*order)) == ["beside there", "there"]
    assert labels(load("menu")) == ["there"]


def test_the_last_loaded_wrapper_stands_outermost(write_plugin: WritePlugin) -> None:
    body = "items = yield; return [MenuItem('home.index', items[0].label + '{0}')]"
    write_plugin("menu", MENU)
    for name in ("inner", "outer"):
        write_plugin(name, WRAPPER.format(hook="keyun_menu(self)", body=body.format(f" {name}")))
    assert labels(load("inner", "outer", "menu")) == ["there inner outer"]
    assert labels(load("outer", "menu", "inner")) == ["there outer inner"]


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError('before'); yield",
        "yield; raise ValueError('after')",
        "return []; yield",
        "yield; yield",
        "yield; return 3",
    ],
)
def test_a_wrapper_that_fails_is_logged_and_left_out(
    write_plugin: WritePlugin, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("menu", MENU)
    write_plugin("bad", WRAPPER.format(hook="keyun_menu(self)", body=body))
    assert labels(load("menu", "bad")) == ["there"]
    assert "bad" in caplog.text
    assert "keyun_menu" in caplog.text


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ("verdicts = yield; return [] if actor.is_system else verdicts", []),
        ("verdicts = yield; return [*verdicts, Verdict.refuse('never')]", ["strict", "never"]),
        ("yield; raise ValueError", ["strict", "审核程序出错，转人工审核"]),
    ],
)
def test_screening_is_wrapped_and_a_broken_wrapper_holds(
    write_plugin: WritePlugin, body: str, reasons: list[str]
) -> None:
    write_plugin("strict", SCREENER)
    write_plugin("wrapper", WRAPPER.format(hook="keyun_content_screen(self, actor)", body=body))
    manager = load("strict", "wrapper")
    assert [v.reason for v in manager.screen(system(), DRAFT)] == reasons
    if not reasons:
        assert [v.reason for v in manager.screen(anonymous(), DRAFT)] == ["strict"]


COUNTING = """
from keyun.plugins import Plugin, hookimpl

class Counting:
    def __init__(self, engine):
        self.engine, self.asked = engine, []
    def search(self, query):
        self.asked.append(query.text)
        return self.engine.search(query)
    def __getattr__(self, name):
        return getattr(self.engine, name)

class P(Plugin):
    @hookimpl(wrapper=True)
    def keyun_search_backend(self, site):
        engine = yield
        return Counting(engine)
"""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_engine_of_the_core_is_wrapped(make_site: Callable[..., Site], write_plugin: WritePlugin) -> None:
    from keyun.search import Query

    write_plugin("counting", COUNTING)
    site = make_site("counting")
    assert site.search_backend.search(Query("柑橘")) == Page(ready=False)
    assert site.search_backend.asked == ["柑橘"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ("taken = yield; return taken", False),
        ("taken = yield; return taken or message.channel == 'mail'", True),
        ("yield; raise OSError('no')", None),
    ],
)
def test_sending_is_wrapped_and_a_failure_is_the_jobs(
    make_site: Callable[..., Site], write_plugin: WritePlugin, body: str, taken: bool | None
) -> None:
    write_plugin("wrapper", WRAPPER.format(hook="keyun_message_send(self, message)", body=body))
    manager = make_site("wrapper").plugins
    message = Message("1", MAIL, "a@b.cn", "s", "t", "test")
    if taken is None:
        with pytest.raises(OSError, match="no"):
            manager.message_send(message)
    else:
        assert manager.message_send(message) is taken


BROKEN_SENDER = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_message_send(self):
        raise OSError("no route")
"""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_wrapper_may_answer_in_place_of_a_failure(
    make_site: Callable[..., Site], write_plugin: WritePlugin
) -> None:
    body = "try: return (yield)\n        except OSError: return True"
    write_plugin("broken", BROKEN_SENDER)
    write_plugin("patient", WRAPPER.format(hook="keyun_message_send(self)", body=body))
    manager = make_site("broken", "patient").plugins
    assert manager.message_send(Message("1", MAIL, "a@b.cn", "s", "t", "test"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            WRAPPER.format(hook="keyun_permissions(self)", body="return (yield)"),
            "no wrapper may stand around keyun_permissions",
        ),
        (
            WRAPPER.format(hook="keyun_menu(self)", body="yield").replace("wrapper=", "hookwrapper="),
            "no wrapper may stand around keyun_menu",
        ),
        (WRAPPER.format(hook="keyun_menu(self)", body="return []"), "PluginValidationError"),
    ],
)
def test_a_wrapper_that_nothing_would_call_is_a_fault(
    write_plugin: WritePlugin, code: str, words: str
) -> None:
    write_plugin("odd", code)
    manager = load("odd")
    assert manager.plugins == {}
    assert words in manager.faults["odd"][0]


HOST = """
import sys
from keyun.plugins import Plugin, hookspec

class P(Plugin):
    offers = sys.modules[__name__]
    def greetings(self):
        return self.site.plugins.hook.keyun_host_greeting(name="li")

@hookspec
def keyun_host_greeting(name):
    '''Greet name.'''
"""
GUEST = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl(optionalhook=True)
    def keyun_host_greeting(self, name):
        return f"hello {name}"
"""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("order", [("host", "guest"), ("guest", "host")])
def test_a_hook_of_an_absent_plugin_is_optional_and_called_when_it_is_there(
    make_site: Callable[..., Site], write_plugin: WritePlugin, order: tuple[str, str]
) -> None:
    write_plugin("host", HOST)
    write_plugin("guest", GUEST)
    write_plugin("rude", GUEST.replace("optionalhook=True", ""))
    assert list(load("guest").plugins) == ["guest"]
    assert "unknown hook(s) keyun_host_greeting" in load("rude").faults["rude"][0]
    site = make_site(*order)
    assert site.plugins.plugins["host"].greetings() == ["hello li"]  # type: ignore[attr-defined]

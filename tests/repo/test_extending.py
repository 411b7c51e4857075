"""The examples of docs/develop/extending.md are code that runs."""

from __future__ import annotations

import re
import textwrap
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keyun.accounts import User
from keyun.errors import Forbidden
from keyun.messages import Message, TryLater, Undeliverable
from keyun.plugins.wrapping import WRAPPABLE

PAGE = (Path(__file__).resolve().parents[2] / "docs/develop/extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(part: str) -> dict[str, Any]:
    """The names that the example with ``part`` in it defines."""
    (text,) = (b for b in BLOCKS if part in b)
    names: dict[str, Any] = {}
    exec(compile(text, "extending.md", "exec"), names)
    return names


@pytest.mark.parametrize("text", BLOCKS)
def test_every_example_compiles(text: str) -> None:
    compile(textwrap.dedent(text), "extending.md", "exec")


def test_every_hook_that_takes_a_wrapper_stands_in_the_table_and_no_other() -> None:
    rows = [r for r in re.findall(r"^\| (`keyun_.*?) \|", PAGE, re.M)]
    assert set(re.findall(r"keyun_\w+", " ".join(rows))) == WRAPPABLE


def test_the_menu_example_leaves_one_entry_out() -> None:
    steps = run("class QuietPlugin")["QuietPlugin"].keyun_menu(None, None)
    next(steps)
    kept = SimpleNamespace(endpoint="a.b")
    with pytest.raises(StopIteration) as done:
        steps.send([SimpleNamespace(endpoint="bayu_bridge.index"), kept])
    assert done.value.value == [kept]


def test_the_search_example_tests_an_engine() -> None:
    assert any(n.startswith("test_") for n in dir(run("class TestMyEngine")["TestMyEngine"]))


def test_the_log_in_example_judges_only_its_own_people() -> None:
    plugin = run("class DirectoryPlugin")["DirectoryPlugin"]
    me = SimpleNamespace(
        site=SimpleNamespace(writing=nullcontext),
        ask_directory=lambda identifier, secret: (secret == "right") or None,
        local_user=lambda unit, person: User(id=1),
    )
    assert plugin.keyun_authenticate(me, "li", "right") is None
    assert plugin.keyun_authenticate(me, "li@example.edu", "right").id == 1
    with pytest.raises(Forbidden):
        plugin.keyun_authenticate(me, "li@example.edu", "wrong")


def test_the_message_example_takes_text_messages_only() -> None:
    plugin = run("class TextPlugin")["TextPlugin"]
    answer = SimpleNamespace(barred=False, busy=False)
    me = SimpleNamespace(gateway=lambda *_: answer)

    def send(channel: str) -> bool | None:
        found: bool | None = plugin.keyun_message_send(me, Message("1", channel, "1", "s", "t", "r"))
        return found

    assert (send("mail"), send("sms")) == (None, True)
    answer.busy = True
    with pytest.raises(TryLater):
        send("sms")
    answer.barred = True
    with pytest.raises(Undeliverable):
        send("sms")

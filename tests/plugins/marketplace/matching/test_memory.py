"""Answers are remembered while no record changes, and never longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from keyun_marketplace.matching.engine import Answer, Matcher
from keyun_marketplace.matching.memory import MOST, Memory
from keyun_marketplace.matching.records import Query

TOP = {"offer": 10}


class Counting:
    """Counts how often it is asked; ``meanwhile`` runs while it works an answer out."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.asked = 0
        self.meanwhile = meanwhile

    def match(self, query: Query, top: Mapping[str, int]) -> Answer:
        self.asked += 1
        self.meanwhile()
        return Answer({}, True, query.body, float(self.asked))


def ask(memory: Memory, matcher: Counting, body: str) -> Answer:
    return memory.match(cast(Matcher, cast(Any, matcher)), Query(body=body), TOP)


def test_a_query_that_is_asked_again_is_answered_from_memory() -> None:
    memory, matcher = Memory(), Counting()
    assert ask(memory, matcher, "柑橘") == ask(memory, matcher, "柑橘")
    assert ask(memory, matcher, "水稻") != ask(memory, matcher, "柑橘")
    assert matcher.asked == 2


def test_a_change_makes_it_forget() -> None:
    memory, matcher = Memory(), Counting()
    ask(memory, matcher, "柑橘")
    memory.forget()
    ask(memory, matcher, "柑橘")
    assert matcher.asked == 2


def test_an_answer_that_was_overtaken_by_a_change_is_not_kept() -> None:
    memory = Memory()
    slow = Counting(meanwhile=memory.forget)
    ask(memory, slow, "柑橘")
    ask(memory, slow, "柑橘")
    assert slow.asked == 2


def test_the_oldest_question_leaves_first() -> None:
    memory, matcher = Memory(), Counting()
    for number in range(MOST):
        ask(memory, matcher, str(number))
    ask(memory, matcher, "0")
    ask(memory, matcher, "one more")
    before = matcher.asked
    ask(memory, matcher, "0")
    assert matcher.asked == before
    ask(memory, matcher, "1")
    assert matcher.asked == before + 1

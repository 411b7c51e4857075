"""The answers to the last queries while no record changes: pages are read more often than written."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from keyun_marketplace.matching.engine import Answer, Matcher
from keyun_marketplace.matching.records import Query

MOST = 512
Key = tuple[Query, tuple[tuple[str, int], ...]]


class Memory:
    """Up to ``MOST`` answers, the least recently asked for leaving first; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._age = 0

    def forget(self) -> None:
        """Drop everything; an answer that is being worked out now will not be kept either."""
        with self._lock:
            self._age += 1
            self._answers.clear()

    def match(self, matcher: Matcher, query: Query, top: Mapping[str, int]) -> Answer:
        """The answer of ``matcher``, asked only when it is not remembered."""
        key = (query, tuple(top.items()))
        with self._lock:
            age, known = self._age, self._answers.get(key)
            if known is not None:
                self._answers.move_to_end(key)
                return known
        answer = matcher.match(query, top)
        with self._lock:
            if age == self._age:
                self._answers[key] = answer
                if len(self._answers) > MOST:
                    self._answers.popitem(last=False)
        return answer


class Recalling:
    """A matcher that is asked through a memory."""

    def __init__(self, matcher: Matcher, memory: Memory) -> None:
        self.matcher, self.memory = matcher, memory

    def match(self, query: Query, top: Mapping[str, int]) -> Answer:
        """The best ``top[kind]`` records of each kind for ``query``, explained."""
        return self.memory.match(self.matcher, query, top)

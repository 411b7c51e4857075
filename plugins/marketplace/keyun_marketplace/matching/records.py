"""Values that go into the matcher and come out of it. Nothing here knows a database or a web page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

#: Kinds of records; the number is what the arrays hold.
KINDS = ("offer", "person", "need")
KIND_NUMBER: Mapping[str, int] = {name: number for number, name in enumerate(KINDS)}
MAX_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Record:
    """Something that can be found. ``key`` is unique in one index; ``day`` counts days since 1970-01-01.

    ``version`` says which state of the record this is. ``owner`` (a user) and ``organization`` are whose it
    is (0: nobody's); they are never shown it.
    """

    key: int
    kind: str
    title: str
    keywords: tuple[str, ...] = ()
    body: str = ""
    discipline: str | None = None
    region: str | None = None
    verified: bool = False
    version: int = 1
    day: int = 0
    owner: int = 0
    organization: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: texts by weight, and what makes a candidate better."""

    title: str = ""
    keywords: tuple[str, ...] = ()
    body: str = ""
    discipline: str | None = None
    region: str | None = None
    owner: int = 0
    organization: int = 0
    #: Owners whose records are left out beside the asker's own.
    blocked: tuple[int, ...] = ()
    #: Only records whose region code begins so: 51 (province), 5114 (city), 511402 (county); None: anywhere.
    within: str | None = None
    day: int = 0
    #: Predict the discipline from the neighbours when none is declared.
    predict: bool = True

    @property
    def text(self) -> str:
        """Everything that was written, a line each; the places in explanations refer to it."""
        return "\n".join(t for t in (self.title, "，".join(self.keywords), self.body) if t)[:MAX_TEXT]


@dataclass(frozen=True, slots=True)
class Weights:
    """The figures of the ranking. Text: BM25F after Robertson and Zaragoza (2009), one weighted bag.

    A term that more than the share ``common`` of the records have is not looked up when the query has
    enough others.
    ``field`` … ``fresh`` are shares of the text's score that a candidate gains.
    """

    title: float = 3.0
    keywords: float = 3.0
    body: float = 1.0
    k1: float = 2.5
    b: float = 0.75
    common: float = 0.2
    field: float = 0.6
    county: float = 0.06
    city: float = 0.04
    province: float = 0.02
    verified: float = 0.02
    fresh: float = 0.02
    fresh_days: int = 90


class Part(NamedTuple):
    """One reason and what it adds to the score. ``text`` is the phrase, the field, or how near it is."""

    name: str
    value: float
    text: str = ""

    def why(self, language: str = "zh") -> str:
        """The reason in a sentence for a manager."""
        return explain(self, language)

    def around(self, language: str = "zh") -> tuple[str, str]:
        """What stands before and after the text in that sentence."""
        before, _, after = SENTENCES[self.name][0 if language == "zh" else 1].partition("{}")
        return before, after


@dataclass(frozen=True, slots=True)
class Candidate:
    """One record that fits, its score, and the parts that add up to it."""

    key: int
    kind: str
    score: float
    parts: tuple[Part, ...] = field(default_factory=tuple)


SENTENCES: Mapping[str, tuple[str, str]] = {
    "terms": ("都提到「{}」", "both mention “{}”"),
    "wording": ("其他相近的用词", "other similar wording"),
    "field": ("同属「{}」领域", "same field: {}"),
    "field-predicted": ("内容接近「{}」领域", "looks like the same field: {}"),
    "verified": ("已认证", "verified"),
    "fresh": ("近期更新", "recently updated"),
}
#: A reason that comes from outside the engine: its text is a line of Chinese and a line of English.
ADDED = "added"
NEAR: Mapping[str, tuple[str, str]] = {
    "county": ("同区县", "same county"),
    "city": ("同市州", "same city"),
    "province": ("同省", "same province"),
}


def explain(part: Part, language: str) -> str:
    """Say in ``language`` (zh or en) why ``part`` counts."""
    index = 0 if language == "zh" else 1
    if part.name == "near":
        return NEAR[part.text][index]
    if part.name == ADDED:
        zh, _, en = part.text.partition("\n")
        return zh if language == "zh" else en or zh
    return SENTENCES[part.name][index].format(part.text)

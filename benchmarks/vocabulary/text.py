"""Compose titles and bodies of offers, needs and organizations from the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from vocabulary import Discipline, Urn, Vocabulary, draw


@dataclass(frozen=True, slots=True)
class Text:
    """A composed text with its three to five keywords."""

    title: str
    body: str
    keywords: tuple[str, ...]


class Draws(dict[str, str]):
    """The words of one text, drawn when a pattern first asks for them and kept, so that its sentences agree.

    No word is drawn twice: "甲与甲" would read as a slip.
    A slot is a list's short name, with 2 or 3 for a further, different draw: ``{m}``, ``{m2}``, ``{m3}``.
    """

    def __init__(
        self, rng: Random, vocabulary: Vocabulary, discipline: Discipline, places: Urn, place: str
    ) -> None:
        super().__init__(place=place)
        self._rng = rng
        self._vocabulary = vocabulary
        self._discipline = discipline
        self._places = places

    def __missing__(self, slot: str) -> str:
        name = slot.rstrip("23")
        word = self._word(name)
        while word in self.values():
            word = self._word(name)
        self[slot] = word
        return word

    def _word(self, name: str) -> str:
        rng, subject, general = self._rng, self._discipline, self._vocabulary.general
        match name:
            case "o":
                return draw(rng, subject.objects)
            case "m":
                return draw(rng, subject.methods)
            case "p":
                return draw(rng, subject.problems)
            case "e":
                return draw(rng, subject.effects)
            case "r":
                return draw(rng, subject.rare)
            case "x":
                return draw(rng, self._other_discipline().methods)
            case "place":
                return draw(rng, self._places)
            case "q" if subject.varieties and rng.random() < 0.3:
                return f"{draw(rng, general['varieties'])}{self._tail(9000)}号"
            case "q":
                return draw(rng, general["qualifiers"])
            case "town":
                return "".join(draw(rng, general[f"towns_{part}"]) for part in ("first", "second", "kind"))
            case "model":
                return f"{draw(rng, general['model_letters'])}-{self._tail(9000)}"
            case _:
                return self._figure(name) or draw(rng, general[f"{name}s"])

    def _figure(self, name: str) -> str | None:
        match name:
            case "pct":
                return str(5 + self._below(40))
            case "n":
                return str(2 + self._below(30))
            case "count":
                return str(self._tail(3000))
            case "year":
                return str(2011 + self._below(10))
            case "months":
                return str(3 + self._below(22))
            case _:
                return None

    def _other_discipline(self) -> Discipline:
        return self._vocabulary.disciplines[draw(self._rng, self._vocabulary.discipline_urn)]

    def _below(self, limit: int) -> int:
        return int(self._rng.random() * limit)

    def _tail(self, limit: int) -> int:
        """Return a number from 10 to limit + 9; the larger, the rarer."""
        share = self._rng.random()
        return 10 + int(share * share * share * limit)


def offer_text(rng: Random, draws: Draws, vocabulary: Vocabulary) -> Text:
    """Compose an offer: where it comes from, how it works, what it brought, what is on offer."""
    parts = ["opening", "method"]
    parts += ["method"] * (rng.random() < 0.62)
    parts += ["result"]
    parts += ["evidence"] * (rng.random() < 0.45)
    parts += ["service"]
    return _compose(rng, draws, vocabulary, "offer", parts)


def need_text(rng: Random, draws: Draws, vocabulary: Vocabulary) -> Text:
    """Compose a need: what goes wrong, what is asked for, under which condition."""
    parts = ["situation", "request"] + ["condition"] * (rng.random() < 0.4)
    return _compose(rng, draws, vocabulary, "need", parts)


def summary_text(rng: Random, draws: Draws, vocabulary: Vocabulary) -> str:
    """Compose the one-sentence summary of an organization."""
    return draw(rng, vocabulary.patterns["organization"]["summary"]).format_map(draws)


def _compose(rng: Random, draws: Draws, vocabulary: Vocabulary, record: str, parts: list[str]) -> Text:
    patterns = vocabulary.patterns[record]
    title = draw(rng, patterns["title"]).format_map(draws)
    chosen: list[str] = []
    for part in parts:
        pattern = draw(rng, patterns[part])
        while pattern in chosen:
            pattern = draw(rng, patterns[part])
        chosen.append(pattern)
    body = "".join(pattern.format_map(draws) for pattern in chosen)
    slots = ("o", "m", "r", "o2", "m2")[: 3 + int(rng.random() * 3)]
    return Text(title, body, tuple(draws[slot] for slot in slots))

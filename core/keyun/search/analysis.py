"""One analyzer for every engine: Chinese and Latin text into words with their places, and into bigrams."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

#: Words of the field that the general dictionary splits.
DOMAIN_WORDS = (
    "川渝", "巴蜀", "成渝", "科协", "科云", "科技云", "科技所能", "科技所需", "科创",
    "揭榜", "科普", "黄龙病", "钒钛", "木虱", "溃疡病", "猕猴桃", "羊肚菌", "青稞",
    "牦牛", "苦荞", "晚熟柑橘", "动力电池", "玄武岩纤维", "多晶硅",
)  # fmt: skip
#: Words that carry no subject. Requests are full of them; they explain nothing.
STOP_WORDS = frozenset(
    """
    的 了 和 与 及 或 在 是 为 对 从 到 把 被 由 于 以 等 并 而 且 但 也 都 就 又 还 很 更 最 不
    没有 我们 你们 他们 我 你 他 她 它 这 那 这个 那个 一个 一种 一些 其 之 所 者 个 种 位 来 去
    上 下 中 内 外 里 时 后 前 将 要 会 能 可 可以 能够 需要 需 希望 想 请 想要 如何 怎么 怎样
    什么 进行 通过 采用 利用 相关 有关 有 做 给 让 用 并且 以及 因此 由此 目前 现在 已经 the a
    an of and or to in on for is are with by at from as be this that it
    """.split()  # noqa: SIM905 - a list literal of 130 lines hides the words
)
WORD = re.compile(r"\w", re.UNICODE)
HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
#: No word of any language that people type is longer; longer runs are machine text.
MAX_WORD = 40


#: Blocks with compatibility forms that people type: superscripts, numerals, units, old Han, full width.
COMPATIBILITY = ((0xA0, 0x100), (0x2000, 0x2500), (0x2E80, 0x3400), (0xF900, 0xFB00), (0xFE30, 0xFFF0))


def _compatibility_forms() -> tuple[dict[int, str], dict[int, str]]:
    """NFKC of single characters: those that stay one character, and those that become several."""
    one: dict[int, str] = {}
    several: dict[int, str] = {}
    for first, last in COMPATIBILITY:
        for code in range(first, last):
            form = unicodedata.normalize("NFKC", chr(code))
            if form != chr(code):
                (one if len(form) == 1 else several)[code] = form.lower()
    return one, {c: f for c, f in several.items() if WORD.search(f)}


class Span(NamedTuple):
    """One word and where it stands in the text it came from."""

    word: str
    start: int
    end: int


class Analyzer:
    """Segments text. Made once for each process through :func:`analyzer`."""

    def __init__(self, words: Iterable[str] = DOMAIN_WORDS) -> None:
        import rjieba

        self._jieba: Any = rjieba.Jieba()
        for word in words:
            self._jieba.add_word(word, None, None)
        self._one, several = _compatibility_forms()
        # Lower case as well, for they are met in folded text.
        self._several = several | {ord(chr(c).lower()): f for c, f in several.items()}
        self._expands = re.compile(f"[{''.join(map(chr, self._several))}]")

    def fold(self, text: str) -> str:
        """Lower case and compatibility forms (NFKC); every character keeps its place.

        A character that NFKC makes several of (Ⅲ, ㎡) stays here; its word is told in full by
        :meth:`spans`, :meth:`units` and :meth:`words`.
        """
        text = text.translate(self._one)
        lower = text.lower()
        if len(lower) == len(text):
            folded = lower
        else:
            folded = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        # A lone surrogate cannot leave Python; it is no character of any word.
        return folded.encode("utf-8", "replace").decode("utf-8") if not folded.isprintable() else folded

    def spans(self, text: str) -> list[Span]:
        """Words of ``text`` in search mode (long words and the words inside them), stop words left out."""
        return self._spans(text, "search")

    def words(self, text: str) -> list[str]:
        """Like :meth:`spans`, without the places."""
        folded = self.fold(text)
        words: list[str] = self._jieba.cut_for_search(folded, True)
        if self._expands.search(folded):
            words = [w.translate(self._several) for w in words]
        return [w for w in words if self._keeps(w)]

    def units(self, text: str) -> list[Span]:
        """Words of ``text`` that do not overlap, for showing; stop words left out."""
        return self._spans(text, "default")

    def bigrams(self, text: str) -> list[Span]:
        """Pairs of neighbouring Chinese characters of ``text``."""
        return [
            Span(run.group()[i : i + 2], run.start() + i, run.start() + i + 2)
            for run in HAN.finditer(self.fold(text))
            for i in range(run.end() - run.start() - 1)
        ]

    def _spans(self, text: str, mode: str) -> list[Span]:
        folded = self.fold(text)
        found = self._jieba.tokenize(folded, mode, True)
        if self._expands.search(folded):
            found = [(word.translate(self._several), start, end) for word, start, end in found]
        return [Span(word, start, end) for word, start, end in found if self._keeps(word)]

    @staticmethod
    def _keeps(word: str) -> bool:
        return len(word) <= MAX_WORD and word not in STOP_WORDS and WORD.search(word) is not None


@cache
def analyzer() -> Analyzer:
    """The analyzer of this process."""
    return Analyzer()

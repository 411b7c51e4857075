"""Rules say which records count. A rule never changes: a new opinion is a new version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keyun.errors import Invalid
from keyun.site import Site

if TYPE_CHECKING:
    from keyun_usage.reading import Array, Batch

log = logging.getLogger(__name__)
MOST_REASONS = 30
#: Stands before the id of a rule when its figures came from elsewhere: they are never counted again here.
IMPORTED = "import:"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record does not count."""

    code: str
    title: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts as a use: ``judge`` gives 0 for what counts, n for what ``reasons[n - 1]`` excludes.

    ``says`` is the definition that people read beside every figure. ``judge`` gets up to some million
    records at once and answers with an array of small numbers of the same length.
    """

    name: str
    version: int
    says: str
    says_en: str
    reasons: tuple[Reason, ...]
    judge: Callable[[Batch], Array]

    @property
    def id(self) -> str:
        """Name and version, as figures carry them."""
        return f"{self.name}-{self.version}"


def opened() -> Rule:
    """What this plugin itself brings: every opening by something that is not a machine on its own errand."""
    return Rule(
        "opened",
        1,
        "公开内容的页面或接口被打开一次，计一人次；搜索引擎等机器人和浏览器预取不计。"
        "去重人数只含登录用户，按县、按月精确去重；未登录者只计人次。",
        "A page or an API answer of a public item was opened once: one person-time. Robots and prefetching "
        "do not count. Distinct people are logged-in users, exact for each county and month; visitors count "
        "as person-times only.",
        (
            Reason("robot", "搜索引擎等机器人", "robots such as search engines"),
            Reason("prefetch", "浏览器预取，未必有人看", "fetched ahead by a browser, perhaps never seen"),
        ),
        _judge_opened,
    )


def _judge_opened(batch: Batch) -> Array:
    verdicts = np.zeros(len(batch), np.uint8)
    verdicts[batch.among("agent", "robot")] = 1
    verdicts[batch.among("agent", "prefetch")] = 2
    return verdicts


def rules(site: Site) -> dict[str, Rule]:
    """Every rule that plugins bring, by id; a plugin that fails is logged and brings none."""
    found: dict[str, Rule] = {}
    try:
        answers: Iterable[Iterable[Rule]] = site.plugins.hook.keyun_usage_rules()
        given = [rule for answer in answers for rule in answer]
    except Exception:
        log.exception("a plugin failed in keyun_usage_rules; only the own rule counts")
        given = [opened()]
    for rule in given:
        taken = rule.id in found or rule.id.startswith(IMPORTED)
        if taken or len(rule.reasons) > MOST_REASONS or len(rule.id) > 40:
            log.error("rule %s is left out: its id is taken or too long, or it has too many reasons", rule.id)
            continue
        found[rule.id] = rule
    return found


def active(site: Site) -> Rule:
    """The rule that new days are counted by: the setting ``rule``.

    :raises Invalid: when no loaded plugin brings it.
    """
    return find(site, site.plugins.settings("usage")["rule"])


def find(site: Site, rule_id: str) -> Rule:
    """The rule ``rule_id``.

    :raises Invalid: naming those that exist.
    """
    known = rules(site)
    if rule_id not in known:
        names = ", ".join(sorted(known))
        raise Invalid(f"没有统计口径 {rule_id}；现有：{names}。 (No rule {rule_id}; there are: {names}.)")
    return known[rule_id]


def behind(known: dict[str, Rule], rule_id: str) -> Rule | None:
    """The loaded rule that figures with ``rule_id`` follow, imported ones too; None when it is not here."""
    return known.get(rule_id.removeprefix(IMPORTED))


def judged(rule: Rule, batch: Batch) -> Array:
    """The verdicts of ``rule`` on ``batch``, checked.

    :raises ValueError: when they are not one small number for each record.
    """
    verdicts = np.asarray(rule.judge(batch))
    known = verdicts.shape == (len(batch),) and np.isin(verdicts, range(len(rule.reasons) + 1)).all()
    if not known:
        raise ValueError(f"rule {rule.id} must give a number from 0 to {len(rule.reasons)} for each record")
    return verdicts.astype(np.uint8, copy=False)

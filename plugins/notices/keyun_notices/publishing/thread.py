"""What becomes of messages that refer to each other, whatever the order they arrive in.

Pure: messages in, states out. Two messages belong to one thread when one refers to the other, or both
refer to one that has not arrived; so the result depends on which messages there are, never on their order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

PUBLISHED, SUPERSEDED, CANCELLED = "published", "superseded", "cancelled"


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a thread. ``live`` is False while it waits for its moment, ``sender`` is whose it is."""

    id: int
    ikey: str
    cancels: bool
    refers_to: frozenset[str]
    live: bool
    sender: Hashable


@dataclass(frozen=True, slots=True)
class Fate:
    """What a message is now: its state, the first id of its thread, and the id of the note about its end."""

    state: str
    thread: int
    note: int | None = None


#: Whether the first message may change the second: the same sender, or one who stands above.
May = Callable[[Told, Told], bool]


def settle(messages: Sequence[Told], may: May) -> Mapping[int, Fate]:
    """The fate of every message.

    * An update takes the place of what it refers to, and of what that refers to, and so on. In a circle
      the message with the greatest key stays.
    * A cancellation ends its whole thread: what it refers to, what came before and what came after. Of
      several that may end a message one stays as the note about it: that which may end most of the thread,
      and of equal ones that with the smallest key. So nobody's words reach those he could not address.
    * Nobody changes what he may not change; such a reference does not count.
    """
    by_key = {m.ikey: m for m in messages}
    onward = {m.id: _targets(m, by_key, may) for m in messages}
    found: dict[int, Fate] = {}
    for members in _threads(messages, by_key, onward):
        thread = min(m.id for m in members)
        gone = _superseded(members, onward, may)
        cancels, ends = _endings(members, may)
        notes = {*ends.values()} or {c.id for c in cancels[:1]}
        for m in members:
            if m.cancels:
                state = PUBLISHED if m.id in notes or not m.live else SUPERSEDED
            elif m.id in ends:
                state = CANCELLED
            else:
                state = SUPERSEDED if m.id in gone else PUBLISHED
            found[m.id] = Fate(state, thread, ends.get(m.id))
    return found


def _endings(members: Sequence[Told], may: May) -> tuple[list[Told], dict[int, int]]:
    """The cancellations among ``members``, the furthest reaching first, and which of them ends what."""
    others = [m for m in members if not m.cancels]
    reach = {c.id: [m.id for m in others if may(c, m)] for c in members if c.cancels and c.live}
    cancels = sorted((c for c in members if c.id in reach), key=lambda c: (-len(reach[c.id]), c.ikey))
    ends: dict[int, int] = {}
    for c in cancels:
        for ended in reach[c.id]:
            ends.setdefault(ended, c.id)
    return cancels, ends


def _targets(message: Told, by_key: Mapping[str, Told], may: May) -> list[Told]:
    named = (by_key[k] for k in sorted(message.refers_to) if k in by_key)
    return [t for t in named if t is not message and may(message, t)]


def _threads(
    messages: Sequence[Told], by_key: Mapping[str, Told], onward: Mapping[int, list[Told]]
) -> Iterable[list[Told]]:
    """Connected messages; those that wait for the same absent one count when one sender sent them."""
    parent: dict[Hashable, Hashable] = {}

    def top(x: Hashable) -> Hashable:
        while (up := parent.setdefault(x, x)) != x:
            parent[x] = parent[up]
            x = up
        return x

    for m in messages:
        ends: list[Hashable] = [t.id for t in onward[m.id]]
        ends += [(key, m.sender) for key in m.refers_to if key not in by_key]
        for end in ends:
            parent[top(end)] = top(m.id)
    groups: dict[Hashable, list[Told]] = {}
    for m in messages:
        groups.setdefault(top(m.id), []).append(m)
    return groups.values()


def _superseded(members: Sequence[Told], onward: Mapping[int, list[Told]], may: May) -> set[int]:
    """The messages that an update among ``members`` has taken the place of."""
    behind = {m.id: _reached(m, onward) for m in members}
    gone: set[int] = set()
    for update in members:
        if update.cancels or not update.live:
            continue
        for old in behind[update.id].values():
            circle = update.id in behind[old.id]
            if may(update, old) and (not circle or old.ikey < update.ikey):
                gone.add(old.id)
    return gone


def _reached(start: Told, onward: Mapping[int, list[Told]]) -> dict[int, Told]:
    """What ``start`` refers to, directly or by others, but for itself."""
    found: dict[int, Told] = {}
    waiting = list(onward[start.id])
    while waiting:
        here = waiting.pop()
        if here.id != start.id and here.id not in found:
            found[here.id] = here
            waiting += onward[here.id]
    return found

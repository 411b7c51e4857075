"""SMS by any gateway that takes JSON over HTTP; its keys and codes stand in the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.accounts import User
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.contacts.models import ACTIVE, Contact
from keyun_notices.outbox.channels.http import Answer, NoAnswer, NotSent, Target, post_json
from keyun_notices.outbox.channels.protocol import (
    Channel,
    Gone,
    Handed,
    Later,
    Letter,
    Limit,
    Provider,
    Refused,
    Result,
    Unknown,
)
from keyun_notices.outbox.channels.results import judged
from keyun_notices.outbox.channels.templates import cut, filled

NAME = "sms"
#: From this level on the phone of an account is verified.
VERIFIED = 1


def channel(gateways: Sequence[Mapping[str, Any]]) -> Channel | None:
    """The channel over ``gateways`` (``[[plugin.notices.sms]]``); None when there are none."""
    if not gateways:
        return None
    providers = tuple(_provider(Gateway(g)) for g in gateways)
    return Channel(NAME, "短信", "SMS", providers, reaches, frozenset({"account", "contact"}))


def provider_name(gateway: str) -> str:
    """What the gateway is called among all providers."""
    return f"{NAME}:{gateway}"


def reaches(unit: UnitOfWork, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """Verified phones of accounts, and phones of contacts who agreed."""
    if kind == "contact":
        query = sa.select(Contact.id, Contact.phone).where(Contact.id.in_(ids), Contact.state == ACTIVE)
    else:
        good = (User.active.is_(True), User.level >= VERIFIED)
        query = sa.select(User.id, User.phone).where(User.id.in_(ids), *good)
    return {number: phone for number, phone in unit.session.execute(query) if phone}


def _provider(gateway: Gateway) -> Provider:
    s = gateway.settings
    return Provider(
        provider_name(s["name"]),
        gateway.send,
        Limit(s["per_second"], s["burst"], s["per_day"]),
        batch=s["batch"],
        timeout=s["timeout"],
        repeat_for=s["repeat_for"],
        ask=gateway.ask if s["ask_url"] else None,
    )


class Gateway:
    """One gateway as its settings describe it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def send(self, _site: Site, letters: Sequence[Letter]) -> Sequence[Result]:
        """Hand letters over with one request."""
        common = self._common()
        body: dict[str, Any] = filled(self.settings["body"], common)
        items = [filled(self.settings["item"], common | self._said(letter)) for letter in letters]
        if self.settings["items"]:
            body[self.settings["items"]] = items
        else:
            body |= items[0]
        try:
            answer = self._post(self.settings["url"], body)
        except NotSent as e:
            return [Later(str(e), whole=True)] * len(letters)
        except NoAnswer as e:
            return [Unknown(str(e))] * len(letters)
        return self._results(answer, len(letters))

    def ask(self, _site: Site, key: str) -> Result:
        """Ask what became of a letter."""
        try:
            answer = self._post(self.settings["ask_url"], {"id": key})
        except (NotSent, NoAnswer) as e:
            return Unknown(str(e))
        if answer.status == 404:
            return Later("the gateway never got it")
        return self._judged(answer.json()) if answer.ok else Unknown(f"the gateway answers {answer.status}")

    def _post(self, url: str, body: dict[str, Any]) -> Answer:
        target = Target(url, self.settings["timeout"])
        return post_json(target, body, filled(self.settings["headers"], self._common()))

    def _common(self) -> dict[str, str]:
        return {n: self.settings[n] for n in ("account", "secret", "template", "signature")}

    def _said(self, letter: Letter) -> dict[str, str]:
        return {
            "phone": letter.to,
            "key": letter.key,
            "title": cut(letter.title, self.settings["title_length"]),
            "text": letter.text,
            "link": letter.link,
            "optout": letter.optout,
            "region": letter.region,
        }

    def _results(self, answer: Answer, count: int) -> list[Result]:
        if not answer.ok:
            # 4xx of a whole request is about the request, never about one number.
            found = judged("the gateway", answer, dead=frozenset())
            if isinstance(found, Refused):
                found = Later(found.reason, whole=True)
            return [found] * count
        said = answer.json()
        listed = said.get(self.settings["results"]) if self.settings["results"] else [said]
        if isinstance(listed, list) and len(listed) == count:
            return [self._judged(one if isinstance(one, dict) else {}) for one in listed]
        # One code for all: a refusal of the whole request. Anything else says nothing about the letters.
        whole = self._judged(said)
        return [
            Unknown("the gateway did not say what it took") if isinstance(whole, Handed) else whole
        ] * count

    def _judged(self, said: Mapping[str, Any]) -> Result:
        code = str(said.get(self.settings["code"], ""))[:40]
        if code in self.settings["taken"]:
            return Handed(str(said.get(self.settings["reference"]) or "")[:120])
        if code in self.settings["dead"]:
            return Gone(f"the gateway says {code}: the number is dead")
        if code in self.settings["busy"]:
            return Later(f"the gateway says {code}", whole=True)
        if code in self.settings["later"]:
            return Later(f"the gateway says {code}")
        return Refused(f"the gateway says {code}") if code else Unknown("the gateway gave no code")

"""Import contacts with the consent of each, and export them for whoever may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from keyun.access import Actor
from keyun.errors import KeyunError
from keyun.exchange import Exporter, Importer, Row, RowError, Written
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.contacts.consent import CONTACT, REFUSED, Given, agree_many
from keyun_notices.contacts.models import ACTIVE, WITHDRAWN, Consent, Contact
from keyun_notices.contacts.phones import digest
from keyun_notices.contacts.regions import At, known
from keyun_notices.contacts.schemas import ContactRow
from keyun_notices.contacts.services import MANAGE, given

EXPORT = "notices.contact.export"
CHUNK = 1000


def importers() -> tuple[Importer, ...]:
    """What this part of the plugin can import."""
    return (Importer("contacts", "短信联系人", ContactRow, write, MANAGE, key="phone"),)


def exporters() -> tuple[Exporter, ...]:
    """What this part of the plugin can export."""
    note = "withdrawn contacts are left out: their numbers are deleted"
    return (Exporter("contacts", "短信联系人", ContactRow, read, EXPORT, personal=("phone",), note=note),)


def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk; a row of another region, or of somebody who withdrew since, comes back as an error."""
    unit.require(actor, MANAGE)
    good, errors = dict[str, Given](), list[RowError]()
    numbers: dict[str, tuple[int, Row]] = {}
    for number, row in rows:
        own = digest(unit.site, row["phone"])
        try:
            unit.require(actor, MANAGE, At(known(unit.site.regions, row["region"])))
            good[own] = given(unit, row)
        except KeyunError as e:
            errors.append(RowError(number, str(e), row))
        else:
            numbers[own] = (number, row)
    before = _before(unit, good)
    taken = agree_many(actor, unit, good, unit.site.access.regions(actor, MANAGE)) if good else {}
    errors += [RowError(numbers[own][0], REFUSED, numbers[own][1]) for own in good.keys() - taken.keys()]
    _record(actor, unit, good, taken, before)
    created = len(taken.keys() - before.keys())
    return Written(created, len(taken) - created, errors)


def _before(unit: UnitOfWork, good: Mapping[str, Given]) -> dict[str, tuple[str, str]]:
    """State and region of those who are there already, by digest."""
    query = sa.select(Contact.digest, Contact.state, Contact.region).where(Contact.digest.in_(list(good)))
    return {own: (state, region) for own, state, region in unit.session.execute(query)}


def _record(
    actor: Actor,
    unit: UnitOfWork,
    good: Mapping[str, Given],
    taken: Mapping[str, int],
    before: Mapping[str, tuple[str, str]],
) -> None:
    """One event for each contact that is new, back, or elsewhere now."""
    events = []
    for own, number in taken.items():
        data = {"region": good[own].region, "way": good[own].way}
        state, region = before.get(own, (WITHDRAWN, ""))
        if state != ACTIVE:
            events.append(("contact.joined", CONTACT, number, data))
        elif region != good[own].region:
            events.append(("contact.moved", CONTACT, number, data))
    unit.record_many(actor, events)


def read(actor: Actor, unit: UnitOfWork) -> Iterator[Row]:
    """Every active contact of the actor's regions with its newest consent, a chunk at a time."""
    unit.require(actor, EXPORT)
    mine = unit.site.access.regions(actor, EXPORT)
    newest = (
        sa.select(sa.func.max(Consent.id))
        .where(Consent.contact_id == Contact.id, Consent.given.is_(True))
        .correlate(Contact)
        .scalar_subquery()
    )
    query = (
        sa.select(Contact.id, Contact.phone, Contact.region, Consent.at, Consent.evidence)
        .join(Consent, Consent.id == newest)
        .where(
            Contact.state == ACTIVE, sa.or_(sa.false(), *(Contact.region.between(*subtree(r)) for r in mine))
        )
        .order_by(Contact.id)
        .limit(CHUNK)
    )
    last = 0
    while found := unit.session.execute(query.where(Contact.id > last)).all():
        for _, phone, region, at, evidence in found:
            day = at.astimezone(unit.site.timezone).date().isoformat()
            yield {"phone": phone, "region": region, "consented_on": day, "evidence": evidence}
        last = found[-1].id

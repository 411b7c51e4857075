"""Contacts for programs of staff; numbers go in whole and come out masked."""

from __future__ import annotations

import uuid
from typing import Any

from keyun.access import requires
from keyun.api import ApiBlueprint, operation
from keyun.web.context import actor, reading, site, writing
from keyun_notices.contacts import schemas, services
from keyun_notices.contacts.models import Contact
from keyun_notices.contacts.phones import masked


def add(api: ApiBlueprint) -> None:
    """Hang the operations of contacts below ``/api/v1/notices``."""
    operation(
        api,
        "/contacts",
        contacts,
        schemas.ContactPageSchema,
        "短信联系人 / Contacts",
        query=schemas.ContactArguments,
    )
    operation(
        api,
        "/contacts",
        add_contact,
        schemas.ContactSchema,
        "登记一位联系人 / Record a consent",
        body=schemas.ConsentSchema,
        methods=("POST",),
        status=201,
    )
    operation(
        api,
        "/contacts/<uuid:public_id>/withdraw",
        withdraw_contact,
        schemas.ContactSchema,
        "代为退订 / Withdraw a consent",
        methods=("POST",),
    )


@requires(services.MANAGE)
def contacts(query: dict[str, Any]) -> dict[str, Any]:
    """Contacts of the regions of the key's owner, newest first."""
    found = services.contacts(
        actor(), reading(), query["region"], query["state"], query["after"], query["limit"]
    )
    return {"items": [shown(c) for c in found.items], "next": found.next}


@requires(services.MANAGE)
def add_contact(values: dict[str, Any]) -> dict[str, Any]:
    """Write down that somebody agreed, on which day and what shows it."""
    data = {**values, "consented_on": values["consented_on"].isoformat()}
    with writing() as unit:
        return shown(services.record_consent(actor(), unit, data))


@requires(services.MANAGE)
def withdraw_contact(public_id: uuid.UUID) -> dict[str, Any]:
    """Withdraw for somebody who asked to; the number is deleted."""
    with writing() as unit:
        services.withdraw_contact(actor(), unit, str(public_id))
    return shown(services.contact(actor(), reading(), str(public_id)))


def shown(contact: Contact) -> dict[str, Any]:
    """One contact as a program sees it."""
    return {
        "id": contact.public_id,
        "phone": masked(contact.phone),
        "region": contact.region,
        "region_name": site().regions.name(contact.region),
        "state": contact.state,
        "consented_at": contact.consented_at,
        "withdrawn_at": contact.withdrawn_at,
    }

"""The contact behind an account: whoever takes his data along or leaves means this number as well.

Otherwise a closed account would turn into a contact that gets the same notices by SMS.
"""

from __future__ import annotations

from collections.abc import Iterator

from keyun.access import system
from keyun.accounts import Export, User
from keyun.errors import Invalid
from keyun.uow import UnitOfWork
from keyun_notices.contacts import services
from keyun_notices.contacts.consent import find
from keyun_notices.contacts.phones import normalised


def export(unit: UnitOfWork, user_id: int) -> Iterator[Export]:
    """What is kept about the number of an account as a contact."""
    if (phone := _phone(unit, user_id)) is not None:
        yield Export("notices_contact", [services.held(system(), unit, phone)])


def forget(unit: UnitOfWork, user_id: int) -> None:
    """Delete the contact that has the number of an account, in the transaction of its erasure."""
    if (phone := _phone(unit, user_id)) is not None:
        services.forget(system(), unit, phone)


def _phone(unit: UnitOfWork, user_id: int) -> str | None:
    """The number of the account when a contact has it too."""
    user = unit.session.get(User, user_id)
    try:
        phone = normalised(user.phone or "") if user is not None else ""
    except Invalid:
        return None
    return phone if phone and find(unit, phone) is not None else None

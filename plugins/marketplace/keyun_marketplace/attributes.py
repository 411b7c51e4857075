"""What the marketplace knows about people, for audiences of precise push when that plugin is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun_marketplace.disciplines import Discipline
from keyun_marketplace.models import PERSON, Person


def attributes(listed: Sequence[Discipline]) -> tuple[Mapping[str, Any], ...]:
    """Field and title of everybody who wrote a profile, whether or not he wants to be found."""
    shared = {"kind": "code", "user": Person.user_id, "through": {PERSON: Person.id}}
    return (
        {
            "name": "marketplace.discipline",
            "title": "领域",
            "title_en": "field",
            "value": Person.discipline,
            "choices": [(d.name, d.name, d.name_en) for d in listed],
            **shared,
        },
        {
            "name": "marketplace.title",
            "title": "职称或岗位",
            "title_en": "title or post",
            "value": sa.func.nullif(Person.title, ""),
            **shared,
        },
    )

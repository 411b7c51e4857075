"""Personal data: columns say so, and export and erasure reach them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlalchemy as sa

from keyun.testing.contract.report import Problem
from keyun.testing.contract.subject import Subject

#: Names of columns that nearly always hold something about a person.
SUSPICIOUS = re.compile(
    r"(^|_)(phone|mobile|tel|telephone|fax|e?mail|id_?card|identity|passport|wechat|weixin|qq|address|birth|"
    r"birthday|birthdate|contact|contacts|real_?name|full_?name|person|gender|sex|ip|latitude|longitude)(_|$)"
)


def personal_columns_marked(s: Subject) -> Iterator[Problem]:
    """Columns whose name tells of a person carry info={"personal": …}, or say why not."""
    for table, where in s.tables():
        for column in table.columns:
            text = isinstance(column.type, sa.String | sa.JSON)
            if (
                text
                and SUSPICIOUS.search(column.name)
                and not column.info.keys() & {"personal", "impersonal"}
            ):
                yield Problem(
                    f"{where}.{column.name}",
                    "it may hold personal data and does not say so",
                    'add info={"personal": "what"}, or {"impersonal": "why it never does"}',
                )


def personal_columns_covered(s: Subject) -> Iterator[Problem]:
    """Export and erasure of a person reach every personal column."""
    from keyun.accounts.personal import uncovered

    for column in uncovered():
        if str(column).startswith(f"{s.name}_"):
            yield Problem(
                str(column), "neither export nor erasure reaches it", "point the table to core_user"
            )


LIVE = (personal_columns_marked, personal_columns_covered)

"""The tables of contacts and relays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _contacts()
    _relays()
    op.create_table(
        "notices_population",
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("region", "on", name=op.f("pk_notices_population")),
    )


def downgrade() -> None:
    for name in (
        "notices_population", "notices_statement", "notices_passed", "notices_addressed_relay",
        "notices_relay", "notices_contact_receipt", "notices_contact_audience", "notices_addressed_contact", "notices_allowance",
        "notices_joining", "notices_consent", "notices_contact",
    ):  # fmt: skip
        op.drop_table(name)


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _notice(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_notice_id_notices_notice")
    return sa.ForeignKeyConstraint(["notice_id"], ["notices_notice.id"], name=name, ondelete="CASCADE")


def _contacts() -> None:
    op.create_table(
        "notices_contact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("phone", sa.String(20), nullable=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        _moment("consented_at"),
        _moment("withdrawn_at", nullable=True),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_contact")),
        sa.UniqueConstraint("public_id", name=op.f("uq_notices_contact_public_id")),
        sa.UniqueConstraint("digest", name=op.f("uq_notices_contact_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_contact_region_id", "notices_contact", ["region", "id"])
    op.create_table(
        "notices_consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("way", sa.String(10), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        _moment("at"),
        sa.Column("recorded_by", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_consent")),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["notices_contact.id"],
            name=op.f("fk_notices_consent_contact_id_notices_contact"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["core_user.id"],
            name=op.f("fk_notices_consent_recorded_by_core_user"),
            ondelete="SET NULL",
        ),
    )
    op.create_index(op.f("ix_notices_consent_contact_id"), "notices_consent", ["contact_id"])
    op.create_index(op.f("ix_notices_consent_recorded_by"), "notices_consent", ["recorded_by"])
    op.create_table(
        "notices_joining",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("ticket", sa.String(22), nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        _moment("expires_at"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_notices_joining")),
        sa.UniqueConstraint("ticket", name=op.f("uq_notices_joining_ticket")),
    )
    op.create_index(op.f("ix_notices_joining_expires_at"), "notices_joining", ["expires_at"])
    op.create_table(
        "notices_allowance",
        sa.Column("key", sa.String(64), nullable=False),
        _moment("since"),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notices_allowance")),
    )
    op.create_index(op.f("ix_notices_allowance_since"), "notices_allowance", ["since"])
    _chunks("notices_addressed_contact")
    op.create_table(
        "notices_contact_audience",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("addressed", sa.Integer(), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices_contact_audience")),
        _notice("notices_contact_audience"),
    )
    op.create_table(
        "notices_contact_receipt",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        _moment("confirmed_at"),
        sa.PrimaryKeyConstraint("notice_id", "contact_id", name=op.f("pk_notices_contact_receipt")),
        _notice("notices_contact_receipt"),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["notices_contact.id"],
            name=op.f("fk_notices_contact_receipt_contact_id_notices_contact"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_notices_contact_receipt_contact_id"), "notices_contact_receipt", ["contact_id"])


def _chunks(table: str) -> None:
    op.create_table(
        table,
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("bits", sa.LargeBinary(512), nullable=False),
        sa.PrimaryKeyConstraint("chunk", "notice_id", name=op.f(f"pk_{table}")),
        _notice(table),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f(f"ix_{table}_notice_id"), table, ["notice_id"])


def _relays() -> None:
    op.create_table(
        "notices_relay",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("manager_id", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("webhook", sa.String(500), nullable=True),
        sa.Column("headcount", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(300), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_relay")),
        sa.UniqueConstraint("public_id", name=op.f("uq_notices_relay_public_id")),
        sa.UniqueConstraint("digest", name=op.f("uq_notices_relay_digest")),
        sa.ForeignKeyConstraint(
            ["manager_id"],
            ["core_user.id"],
            name=op.f("fk_notices_relay_manager_id_core_user"),
            ondelete="SET NULL",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_relay_region_id", "notices_relay", ["region", "id"])
    op.create_index(op.f("ix_notices_relay_manager_id"), "notices_relay", ["manager_id"])
    _chunks("notices_addressed_relay")
    op.create_table(
        "notices_passed",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("relay_id", sa.Integer(), nullable=False),
        sa.Column("headcount", sa.Integer(), nullable=False),
        _moment("at"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "relay_id", name=op.f("pk_notices_passed")),
        _notice("notices_passed"),
        sa.ForeignKeyConstraint(
            ["relay_id"],
            ["notices_relay.id"],
            name=op.f("fk_notices_passed_relay_id_notices_relay"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_notices_passed_relay_id"), "notices_passed", ["relay_id"])
    op.create_table(
        "notices_statement",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("relay_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("headcount", sa.Integer(), nullable=False),
        _moment("at"),
        _moment("recorded_at"),
        sa.Column("way", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "relay_id", "revision", name=op.f("pk_notices_statement")),
        sa.ForeignKeyConstraint(
            ["notice_id", "relay_id"],
            ["notices_passed.notice_id", "notices_passed.relay_id"],
            name=op.f("fk_notices_statement_notice_id_relay_id_notices_passed"),
            ondelete="CASCADE",
        ),
    )

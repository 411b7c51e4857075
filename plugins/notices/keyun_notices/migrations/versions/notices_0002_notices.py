"""The tables of notices and of the inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "notices_notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("ikey", sa.String(160), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("topic", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("life", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("own_title", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("link", sa.String(500), nullable=True),
        sa.Column("sender_id", sa.Integer(), nullable=True),
        sa.Column("by_system", sa.Boolean(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("region", sa.String(6), nullable=True),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("definition", sa.Integer(), nullable=False),
        sa.Column("contacts", sa.Boolean(), nullable=False),
        sa.Column("relays", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("thread", sa.Integer(), nullable=True),
        sa.Column("addressed", sa.Integer(), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('notice', 'update', 'cancel')", name=op.f("ck_notices_notice_kind")),
        sa.CheckConstraint(
            "state IN ('scheduled', 'published', 'superseded', 'cancelled')",
            name=op.f("ck_notices_notice_state"),
        ),
        sa.CheckConstraint("erased >= 0 AND erased <= addressed", name=op.f("ck_notices_notice_erased")),
        sa.ForeignKeyConstraint(
            ["sender_id"], ["core_user.id"], name=op.f("fk_notices_notice_sender_id_core_user"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["core_organization.id"],
            name=op.f("fk_notices_notice_organization_id_core_organization"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_notice")),
        sa.UniqueConstraint("public_id", name=op.f("uq_notices_notice_public_id")),
        sa.UniqueConstraint("ikey", name=op.f("uq_notices_notice_ikey")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_notice_state_published_at_id", "notices_notice", ["state", "published_at", "id"])
    op.create_index(op.f("ix_notices_notice_sender_id"), "notices_notice", ["sender_id"])
    op.create_index(op.f("ix_notices_notice_organization_id"), "notices_notice", ["organization_id"])
    op.create_index(op.f("ix_notices_notice_region"), "notices_notice", ["region"])
    op.create_index(op.f("ix_notices_notice_thread"), "notices_notice", ["thread"])

    op.create_table(
        "notices_region",
        sa.Column("region", sa.String(6), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_region_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("region", "notice_id", name=op.f("pk_notices_region")),
    )
    op.create_index(op.f("ix_notices_region_notice_id"), "notices_region", ["notice_id"])

    op.create_table(
        "notices_reference",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("refers_to", sa.String(160), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_reference_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notice_id", "refers_to", name=op.f("pk_notices_reference")),
    )
    op.create_index(op.f("ix_notices_reference_refers_to"), "notices_reference", ["refers_to"])

    op.create_table(
        "notices_addressed",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bits", sa.LargeBinary(512), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_addressed_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notice_id", "chunk", name=op.f("pk_notices_addressed")),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # 512 bytes lie in the row as they are: neither compressed nor in a table beside it.
        op.execute("ALTER TABLE notices_addressed ALTER COLUMN bits SET STORAGE PLAIN")

    op.create_table(
        "notices_attachment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("content_type", sa.String(60), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_attachment_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_attachment")),
        sa.UniqueConstraint("public_id", name=op.f("uq_notices_attachment_public_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notices_attachment_notice_id"), "notices_attachment", ["notice_id"])
    op.create_index(op.f("ix_notices_attachment_digest"), "notices_attachment", ["digest"])

    op.create_table(
        "notices_receipt",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_notices_receipt_user_id_core_user"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_receipt_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "notice_id", name=op.f("pk_notices_receipt")),
    )
    op.create_index(op.f("ix_notices_receipt_notice_id"), "notices_receipt", ["notice_id"])


def downgrade() -> None:
    for table in ("receipt", "attachment", "addressed", "reference", "region", "notice"):
        op.drop_table(f"notices_{table}")

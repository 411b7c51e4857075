"""Calls with who may take part."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "notices_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("link", sa.String(length=500), nullable=True),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=True),
        sa.Column("told", sa.String(length=160), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('award', 'policy', 'project')", name=op.f("ck_notices_call_kind")),
        sa.CheckConstraint(
            "state IN ('draft', 'published', 'withdrawn')", name=op.f("ck_notices_call_state")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["core_user.id"],
            name=op.f("fk_notices_call_owner_id_core_user"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["core_organization.id"],
            name=op.f("fk_notices_call_organization_id_core_organization"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_call")),
        sa.UniqueConstraint("public_id", name=op.f("uq_notices_call_public_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("notices_call", schema=None) as batch_op:
        batch_op.create_index(
            "ix_notices_call_state_created_at_id", ["state", "created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_notices_call_region"), ["region"], unique=False)
        batch_op.create_index(batch_op.f("ix_notices_call_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_notices_call_organization_id"), ["organization_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("notices_call")

"""Files of content."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_file",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("rendered", sa.Boolean(), nullable=False),
        sa.Column("dying", sa.Boolean(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_core_file")),
    )
    op.create_index("ix_core_file_touched_at", "core_file", ["touched_at"])
    op.create_table(
        "core_attachment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=36), nullable=False),
        sa.Column("content_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("alt", sa.String(length=300), nullable=False),
        sa.Column("credit", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"], ["core_content.id"], name=op.f("fk_core_attachment_content_id_core_content"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["core_file.digest"], name=op.f("fk_core_attachment_digest_core_file"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_attachment_user_id_core_user"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_attachment")),
        sa.UniqueConstraint("public_id", name=op.f("uq_core_attachment_public_id")),
        sa.UniqueConstraint("content_id", "name", name=op.f("uq_core_attachment_content_id_name")),
    )
    op.create_index("ix_core_attachment_digest", "core_attachment", ["digest"])
    op.create_index("ix_core_attachment_user_id", "core_attachment", ["user_id"])
    op.create_index("ix_core_attachment_content_id_position", "core_attachment", ["content_id", "position"])


def downgrade() -> None:
    op.drop_table("core_attachment")
    op.drop_table("core_file")

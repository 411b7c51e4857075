"""Sub-sites of counties and parks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_subsite",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("name_en", sa.String(length=60), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("banner", sa.String(length=120), nullable=False),
        sa.Column("banner_en", sa.String(length=120), nullable=False),
        sa.Column("colour", sa.String(length=12), nullable=False),
        sa.Column("menu", sa.JSON(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_subsite")),
        sa.UniqueConstraint("host", name=op.f("uq_core_subsite_host")),
        sa.UniqueConstraint("slug", name=op.f("uq_core_subsite_slug")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("core_subsite")

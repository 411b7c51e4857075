"""The table of articles."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bookshelf_article",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=12), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["id"],
            ["core_content.id"],
            name=op.f("fk_bookshelf_article_id_core_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookshelf_article")),
    )
    with op.batch_alter_table("bookshelf_article", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bookshelf_article_level"), ["level"], unique=False)


def downgrade() -> None:
    op.drop_table("bookshelf_article")

"""The table of resources."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "emergency_resource",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hazard", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["id"],
            ["core_content.id"],
            name=op.f("fk_emergency_resource_id_core_content"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency_resource")),
    )
    with op.batch_alter_table("emergency_resource", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_emergency_resource_hazard"), ["hazard"], unique=False)


def downgrade() -> None:
    op.drop_table("emergency_resource")

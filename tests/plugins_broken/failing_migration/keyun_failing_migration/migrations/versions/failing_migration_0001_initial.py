import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade():
    op.create_table("failing_migration_thing", sa.Column("id", sa.Integer, primary_key=True))
    raise RuntimeError("disk full")


def downgrade():
    op.drop_table("failing_migration_thing")

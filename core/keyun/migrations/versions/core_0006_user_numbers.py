"""A number of a user is never given to somebody else, on SQLite too; 0002 had lost that."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        return
    with op.batch_alter_table(
        "core_user", schema=None, recreate="always", table_kwargs={"sqlite_autoincrement": True}
    ):
        pass
    # Those who left stand in the log; their numbers count as given, too.
    last = bind.scalar(
        sa.text(
            "SELECT max(coalesce((SELECT max(id) FROM core_user), 0), coalesce((SELECT max(subject_id) "
            "FROM core_event WHERE subject_type = 'user'), 0))"
        )
    )
    bind.execute(sa.text("DELETE FROM sqlite_sequence WHERE name IN ('core_user', '_alembic_tmp_core_user')"))
    bind.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('core_user', :last)"), {"last": last})


def downgrade() -> None:
    """Nothing to take back: the table holds the same."""

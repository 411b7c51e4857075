"""The tables of preferences."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WAITS = sa.text("digest_id IS NULL")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _preferences()
    _counts()
    _digests()


def _person(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_user_id_core_user")
    return sa.ForeignKeyConstraint(["user_id"], ["core_user.id"], name=name, ondelete="CASCADE")


def _preferences() -> None:
    op.create_table(
        "notices_preference",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("inbox_only", sa.Boolean(), nullable=False),
        sa.Column("impersonal", sa.Boolean(), nullable=False),
        sa.Column("quiet_from", sa.SmallInteger(), nullable=True),
        sa.Column("quiet_until", sa.SmallInteger(), nullable=True),
        sa.Column("daily_cap", sa.SmallInteger(), nullable=True),
        sa.Column("changed_at", MOMENT, nullable=False),
        _person("notices_preference"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notices_preference")),
    )
    op.create_table(
        "notices_preference_channel",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("chosen_at", MOMENT, nullable=False),
        _person("notices_preference_channel"),
        sa.PrimaryKeyConstraint("user_id", "channel", name=op.f("pk_notices_preference_channel")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notices_preference_topic",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.String(length=60), nullable=False),
        sa.Column("frequency", sa.String(length=8), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=True),
        _person("notices_preference_topic"),
        sa.PrimaryKeyConstraint("user_id", "topic", name=op.f("pk_notices_preference_topic")),
        sqlite_with_rowid=False,
    )


def _counts() -> None:
    op.create_table(
        "notices_sent",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sent", sa.SmallInteger(), nullable=False),
        _person("notices_sent"),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_notices_sent")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_notices_sent_day"), "notices_sent", ["day"])


def _digests() -> None:
    op.create_table(
        "notices_digest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        _person("notices_digest"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_digest")),
        sa.UniqueConstraint(
            "user_id", "kind", "period", name=op.f("uq_notices_digest_user_id_kind_period")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notices_digest_made_at"), "notices_digest", ["made_at"])
    op.create_table(
        "notices_digest_item",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("queued_at", MOMENT, nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["digest_id"],
            ["notices_digest.id"],
            name=op.f("fk_notices_digest_item_digest_id_notices_digest"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_digest_item_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        _person("notices_digest_item"),
        sa.PrimaryKeyConstraint("user_id", "notice_id", name=op.f("pk_notices_digest_item")),
        sqlite_with_rowid=False,
    )
    for column in ("digest_id", "notice_id", "queued_at"):
        op.create_index(op.f(f"ix_notices_digest_item_{column}"), "notices_digest_item", [column])
    op.create_index(
        "ix_notices_digest_item_waiting",
        "notices_digest_item",
        ["user_id"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )
    op.create_table(
        "notices_digest_run",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("watermark", sa.Integer(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_notices_digest_run")),
    )


def downgrade() -> None:
    for table in (
        "notices_digest_run",
        "notices_digest_item",
        "notices_digest",
        "notices_sent",
        "notices_preference_topic",
        "notices_preference_channel",
        "notices_preference",
    ):
        op.drop_table(table)

"""The tables of the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WAITS = sa.text("state IN ('queued', 'held')")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _rows()
    _counts()
    _providers()
    _bindings()


def _rows() -> None:
    op.create_table(
        "notices_outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=True),
        sa.Column("recipient_kind", sa.String(length=8), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("begun_at", MOMENT, nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("handed_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_outbox_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_notices_outbox_user_id_core_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_outbox_key")),
        sa.UniqueConstraint(
            "notice_id",
            "recipient_kind",
            "recipient_id",
            "channel",
            name=op.f("uq_notices_outbox_notice_id_recipient_kind_recipient_id_channel"),
        ),
        sqlite_autoincrement=True,
    )
    digest = sa.text("notice_id IS NULL")
    op.create_index(
        "uq_notices_outbox_digest",
        "notices_outbox",
        ["recipient_kind", "recipient_id", "channel"],
        unique=True,
        sqlite_where=digest,
        postgresql_where=digest,
    )
    op.create_index(
        "ix_notices_outbox_due",
        "notices_outbox",
        ["channel", "urgent", "not_before", "id"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )
    op.create_index("ix_notices_outbox_provider_reference", "notices_outbox", ["provider", "reference"])
    op.create_index("ix_notices_outbox_state_changed_at", "notices_outbox", ["state", "changed_at"])
    op.create_index(op.f("ix_notices_outbox_user_id"), "notices_outbox", ["user_id"])


def _counts() -> None:
    op.create_table(
        "notices_outbox_count",
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("recipient_kind", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_outbox_count_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "notice_id", "recipient_kind", "channel", "state", name=op.f("pk_notices_outbox_count")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notices_fanout",
        sa.Column("notice_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("watermark", sa.Integer(), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("put", sa.Integer(), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["notices_notice.id"],
            name=op.f("fk_notices_fanout_notice_id_notices_notice"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices_fanout")),
    )


def _providers() -> None:
    op.create_table(
        "notices_bucket",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("spent_until", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("closed_until", MOMENT, nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_notices_bucket")),
    )
    op.create_table(
        "notices_access_token",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("good_until", MOMENT, nullable=True),
        sa.Column("refresher", sa.String(length=32), nullable=True),
        sa.Column("refreshing_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_notices_access_token")),
    )
    op.create_table(
        "notices_dead_endpoint",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("channel", "digest", name=op.f("pk_notices_dead_endpoint")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_notices_dead_endpoint_at"), "notices_dead_endpoint", ["at"])
    op.create_table(
        "notices_early_receipt",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("provider", "reference", name=op.f("pk_notices_early_receipt")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_notices_early_receipt_at"), "notices_early_receipt", ["at"])


def _bindings() -> None:
    op.create_table(
        "notices_wechat_binding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("openid", sa.String(length=64), nullable=False),
        sa.Column("bound_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_notices_wechat_binding_user_id_core_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_wechat_binding")),
        sa.UniqueConstraint("openid", name=op.f("uq_notices_wechat_binding_openid")),
        sa.UniqueConstraint("user_id", name=op.f("uq_notices_wechat_binding_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notices_wechat_code",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("good_until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_notices_wechat_code_user_id_core_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notices_wechat_code")),
        sa.UniqueConstraint("digest", name=op.f("uq_notices_wechat_code_digest")),
    )
    op.create_table(
        "notices_push_subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(length=1000), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("p256dh", sa.String(length=120), nullable=False),
        sa.Column("auth", sa.String(length=60), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_notices_push_subscription_user_id_core_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_push_subscription")),
        sa.UniqueConstraint("digest", name=op.f("uq_notices_push_subscription_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notices_push_subscription_user_id"), "notices_push_subscription", ["user_id"])


def downgrade() -> None:
    for table in (
        "notices_push_subscription",
        "notices_wechat_code",
        "notices_wechat_binding",
        "notices_early_receipt",
        "notices_dead_endpoint",
        "notices_access_token",
        "notices_bucket",
        "notices_fanout",
        "notices_outbox_count",
        "notices_outbox",
    ):
        op.drop_table(table)

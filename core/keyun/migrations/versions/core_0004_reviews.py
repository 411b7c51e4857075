"""Reviews: what waits, what was said, and what was decided."""

import datetime as dt
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: What waited before there were deadlines gets the default one.
DEADLINE = dt.timedelta(hours=48)
CHUNK = 1000


def upgrade() -> None:
    op.create_table(
        "core_review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=36), nullable=False),
        sa.Column("content_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=True),
        sa.Column("reviewer_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("approvals", sa.Integer(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["core_user.id"], name=op.f("fk_core_review_asked_by_id_core_user"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["content_id"], ["core_content.id"], name=op.f("fk_core_review_content_id_core_content"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["core_user.id"], name=op.f("fk_core_review_reviewer_id_core_user"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_review")),
        sa.UniqueConstraint("public_id", name=op.f("uq_core_review_public_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_core_review_asked_by_id", "core_review", ["asked_by_id"])
    op.create_index("ix_core_review_reviewer_id", "core_review", ["reviewer_id"])
    op.create_index("ix_core_review_state_due_at_id", "core_review", ["state", "due_at", "id"])
    op.create_index("ix_core_review_content_id_id", "core_review", ["content_id", "id"])
    op.create_index(
        "ix_core_review_open_content_id", "core_review", ["content_id"], unique=True,
        sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "core_review_verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["review_id"], ["core_review.id"], name=op.f("fk_core_review_verdict_review_id_core_review"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_review_verdict_user_id_core_user"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_review_verdict")),
        sa.UniqueConstraint(
            "review_id", "user_id", "version", "kind",
            name=op.f("uq_core_review_verdict_review_id_user_id_version_kind"),
        ),
    )
    op.create_index("ix_core_review_verdict_user_id", "core_review_verdict", ["user_id"])
    op.create_table(
        "core_review_comment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("side", sa.String(length=12), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["review_id"], ["core_review.id"], name=op.f("fk_core_review_comment_review_id_core_review"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_review_comment_user_id_core_user"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_review_comment")),
    )
    op.create_index("ix_core_review_comment_review_id_id", "core_review_comment", ["review_id", "id"])
    op.create_index("ix_core_review_comment_user_id", "core_review_comment", ["user_id"])
    _open_what_waits()


def _open_what_waits() -> None:
    """Give every item that waits already the review that it would have been given."""
    moment = sa.DateTime(timezone=True)
    content = sa.table(
        "core_content", sa.column("id", sa.Integer), sa.column("version", sa.Integer),
        sa.column("state", sa.String), sa.column("owner_id", sa.Integer), sa.column("changed_at", moment),
    )
    review = sa.table(
        "core_review",
        *(sa.column(n) for n in ("public_id", "content_id", "version", "state", "asked_by_id")),
        *(sa.column(n) for n in ("role", "needed", "approvals", "comments")),
        sa.column("opened_at", moment), sa.column("due_at", moment),
    )
    connection, last = op.get_bind(), 0
    while True:
        query = sa.select(content).where(content.c.state == "submitted", content.c.id > last)
        rows = connection.execute(query.order_by(content.c.id).limit(CHUNK)).all()
        if not rows:
            return
        connection.execute(
            sa.insert(review),
            [
                {
                    "public_id": str(uuid.uuid4()), "content_id": r.id, "version": r.version,
                    "state": "open", "asked_by_id": r.owner_id, "role": "", "needed": 1, "approvals": 0,
                    "comments": 0, "opened_at": r.changed_at, "due_at": r.changed_at + DEADLINE,
                }
                for r in rows
            ],
        )
        last = rows[-1].id


def downgrade() -> None:
    op.drop_table("core_review_comment")
    op.drop_table("core_review_verdict")
    op.drop_table("core_review")

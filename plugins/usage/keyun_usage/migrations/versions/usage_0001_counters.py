"""The tables of usage."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('usage_word',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('text', sa.String(length=60), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_word')),
    sa.UniqueConstraint('text', name=op.f('uq_usage_word_text'))
    )
    op.create_table('usage_counter',
    sa.Column('day', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('region', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('channel', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('subject', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('rule', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('verdict', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('users', sa.Integer(), nullable=False),
    sa.Column('visitors', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'region', 'channel', 'subject', 'rule', 'verdict', name=op.f('pk_usage_counter')),
    sqlite_with_rowid=False
    )
    op.create_table('usage_people',
    sa.Column('month', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('region', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('rule', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('removed', sa.Integer(), nullable=False),
    sa.Column('bits', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('month', 'region', 'rule', name=op.f('pk_usage_people')),
    sqlite_with_rowid=False
    )
    if op.get_bind().dialect.name == 'postgresql':
        # Bitmaps hardly compress, and trying costs more than all the rest; what is rewritten is reused soon.
        op.execute('ALTER TABLE usage_people ALTER COLUMN bits SET STORAGE EXTERNAL')
        often = 'autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02'
        op.execute(f'ALTER TABLE usage_people SET ({often})')
    op.create_table('usage_part',
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('offset', sa.BigInteger(), nullable=False),
    sa.Column('records', sa.BigInteger(), nullable=False),
    sa.Column('lost', sa.BigInteger(), nullable=False),
    sa.Column('killed', sa.Boolean(), nullable=False),
    sa.Column('first_day', sa.Integer(), nullable=True),
    sa.Column('last_day', sa.Integer(), nullable=True),
    sa.Column('folded_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_usage_part'))
    )
    with op.batch_alter_table('usage_part', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_usage_part_folded_at'), ['folded_at'], unique=False)
    op.create_table('usage_day',
    sa.Column('day', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('rule', sa.String(length=60), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_usage_day'))
    )
    op.create_table('usage_forgotten',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_usage_forgotten'))
    )
    op.create_table('usage_progress',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_progress'))
    )


def downgrade() -> None:
    for name in ('progress', 'forgotten', 'day', 'part', 'people', 'counter', 'word'):
        op.drop_table(f'usage_{name}')

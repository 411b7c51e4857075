"""The tables of the marketplace."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('marketplace_person',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('discipline', sa.String(length=60), nullable=True),
    sa.Column('title', sa.String(length=60), nullable=False),
    sa.Column('keywords', sa.JSON(), nullable=False),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.Column('findable', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['core_user.id'], name=op.f('fk_marketplace_person_user_id_core_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_marketplace_person')),
    sa.UniqueConstraint('public_id', name=op.f('uq_marketplace_person_public_id')),
    sa.UniqueConstraint('user_id', name=op.f('uq_marketplace_person_user_id')),
    sqlite_autoincrement=True
    )
    op.create_table('marketplace_need',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('keywords', sa.JSON(), nullable=False),
    sa.Column('discipline', sa.String(length=60), nullable=True),
    sa.Column('budget', sa.BigInteger(), nullable=True),
    sa.Column('deadline', sa.Date(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['id'], ['core_content.id'], name=op.f('fk_marketplace_need_id_core_content'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_marketplace_need'))
    )
    with op.batch_alter_table('marketplace_need', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_marketplace_need_discipline'), ['discipline'], unique=False)

    op.create_table('marketplace_offer',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('keywords', sa.JSON(), nullable=False),
    sa.Column('discipline', sa.String(length=60), nullable=True),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('stage', sa.String(length=12), nullable=False),
    sa.Column('terms', sa.String(length=120), nullable=False),
    sa.ForeignKeyConstraint(['id'], ['core_content.id'], name=op.f('fk_marketplace_offer_id_core_content'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_marketplace_offer'))
    )
    with op.batch_alter_table('marketplace_offer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_marketplace_offer_discipline'), ['discipline'], unique=False)

    op.create_table('marketplace_match',
    sa.Column('need_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('target_id', sa.Integer(), nullable=False),
    sa.Column('owner_id', sa.Integer(), nullable=True),
    sa.Column('score', sa.Double(), nullable=False),
    sa.Column('parts', sa.JSON(), nullable=False),
    sa.Column('found_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['need_id'], ['marketplace_need.id'], name=op.f('fk_marketplace_match_need_id_marketplace_need'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['owner_id'], ['core_user.id'], name=op.f('fk_marketplace_match_owner_id_core_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('need_id', 'kind', 'target_id', name=op.f('pk_marketplace_match'))
    )
    with op.batch_alter_table('marketplace_match', schema=None) as batch_op:
        batch_op.create_index('ix_marketplace_match_owner_id_need_id', ['owner_id', 'need_id'], unique=False)

    op.create_table('marketplace_request',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=36), nullable=False),
    sa.Column('need_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('target_id', sa.Integer(), nullable=False),
    sa.Column('sender_id', sa.Integer(), nullable=False),
    sa.Column('receiver_id', sa.Integer(), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('reply', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['need_id'], ['marketplace_need.id'], name=op.f('fk_marketplace_request_need_id_marketplace_need'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['receiver_id'], ['core_user.id'], name=op.f('fk_marketplace_request_receiver_id_core_user'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['sender_id'], ['core_user.id'], name=op.f('fk_marketplace_request_sender_id_core_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_marketplace_request')),
    sa.UniqueConstraint('need_id', 'kind', 'target_id', name=op.f('uq_marketplace_request_need_id_kind_target_id')),
    sa.UniqueConstraint('public_id', name=op.f('uq_marketplace_request_public_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('marketplace_request', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_marketplace_request_receiver_id'), ['receiver_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_marketplace_request_sender_id'), ['sender_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('marketplace_request', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_marketplace_request_sender_id'))
        batch_op.drop_index(batch_op.f('ix_marketplace_request_receiver_id'))

    op.drop_table('marketplace_request')
    with op.batch_alter_table('marketplace_match', schema=None) as batch_op:
        batch_op.drop_index('ix_marketplace_match_owner_id_need_id')

    op.drop_table('marketplace_match')
    with op.batch_alter_table('marketplace_offer', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_marketplace_offer_discipline'))

    op.drop_table('marketplace_offer')
    with op.batch_alter_table('marketplace_need', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_marketplace_need_discipline'))

    op.drop_table('marketplace_need')
    op.drop_table('marketplace_person')

"""The tables of the core."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('core_cursor',
    sa.Column('consumer', sa.String(length=60), nullable=False),
    sa.Column('transaction', sa.BigInteger(), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('consumer', name=op.f('pk_core_cursor'))
    )
    op.create_table('core_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('transaction', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('subject_type', sa.String(length=60), nullable=False),
    sa.Column('subject_id', sa.Integer(), nullable=False),
    sa.Column('actor_id', sa.Integer(), nullable=True),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_core_event')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('core_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_event_subject_id'), ['subject_id'], unique=False)
        batch_op.create_index('ix_core_event_transaction_id', ['transaction', 'id'], unique=False)

    op.create_table('core_job',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('payload', sa.JSON(), nullable=False),
    sa.Column('key', sa.String(length=120), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('run_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('owner', sa.String(length=120), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_core_job')),
    sa.UniqueConstraint('key', name=op.f('uq_core_job_key'))
    )
    with op.batch_alter_table('core_job', schema=None) as batch_op:
        batch_op.create_index('ix_core_job_state_run_at', ['state', 'run_at'], unique=False)

    op.create_table('core_organization',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=36), nullable=False),
    sa.Column('external_id', sa.String(length=120), nullable=True),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('uscc', sa.String(length=18), nullable=True),
    sa.Column('region', sa.String(length=6), nullable=True),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.Column('verified', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_core_organization')),
    sa.UniqueConstraint('external_id', name=op.f('uq_core_organization_external_id')),
    sa.UniqueConstraint('public_id', name=op.f('uq_core_organization_public_id')),
    sa.UniqueConstraint('uscc', name=op.f('uq_core_organization_uscc')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('core_organization', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_organization_name'), ['name'], unique=False)
        batch_op.create_index(batch_op.f('ix_core_organization_region'), ['region'], unique=False)

    op.create_table('core_region',
    sa.Column('code', sa.String(length=6), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('level', sa.String(length=10), nullable=False),
    sa.Column('parent', sa.String(length=6), nullable=True),
    sa.Column('pinyin', sa.String(length=120), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=True),
    sa.Column('valid_to', sa.Date(), nullable=True),
    sa.Column('successor', sa.String(length=6), nullable=True),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_core_region'))
    )
    with op.batch_alter_table('core_region', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_region_parent'), ['parent'], unique=False)

    op.create_table('core_user',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=36), nullable=False),
    sa.Column('external_id', sa.String(length=120), nullable=True),
    sa.Column('login', sa.String(length=60), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('phone', sa.String(length=20), nullable=True),
    sa.Column('password_hash', sa.String(length=255), nullable=True),
    sa.Column('region', sa.String(length=6), nullable=True),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_core_user')),
    sa.UniqueConstraint('email', name=op.f('uq_core_user_email')),
    sa.UniqueConstraint('external_id', name=op.f('uq_core_user_external_id')),
    sa.UniqueConstraint('login', name=op.f('uq_core_user_login')),
    sa.UniqueConstraint('phone', name=op.f('uq_core_user_phone')),
    sa.UniqueConstraint('public_id', name=op.f('uq_core_user_public_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('core_user', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_user_region'), ['region'], unique=False)

    op.create_table('core_content',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=36), nullable=False),
    sa.Column('external_id', sa.String(length=120), nullable=True),
    sa.Column('type', sa.String(length=60), nullable=False),
    sa.Column('title', sa.String(length=120), nullable=False),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('language', sa.String(length=10), nullable=False),
    sa.Column('region', sa.String(length=6), nullable=True),
    sa.Column('owner_id', sa.Integer(), nullable=True),
    sa.Column('organization_id', sa.Integer(), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('share', sa.String(length=12), nullable=False),
    sa.Column('origin', sa.String(length=60), nullable=False),
    sa.Column('voucher', sa.String(length=120), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reviewed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('extra', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['core_organization.id'], name=op.f('fk_core_content_organization_id_core_organization'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['owner_id'], ['core_user.id'], name=op.f('fk_core_content_owner_id_core_user'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_core_content')),
    sa.UniqueConstraint('public_id', name=op.f('uq_core_content_public_id')),
    sa.UniqueConstraint('type', 'external_id', name=op.f('uq_core_content_type_external_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('core_content', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_content_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_core_content_organization_id'), ['organization_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_core_content_owner_id'), ['owner_id'], unique=False)
        batch_op.create_index('ix_core_content_region_state', ['region', 'state'], unique=False)
        batch_op.create_index('ix_core_content_state_published_at', ['state', 'published_at'], unique=False)
        batch_op.create_index('ix_core_content_type_state_published_at', ['type', 'state', 'published_at'], unique=False)

    op.create_table('core_grant',
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('region', sa.String(length=6), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['core_user.id'], name=op.f('fk_core_grant_user_id_core_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'role', 'region', name=op.f('pk_core_grant'))
    )
    op.create_table('core_membership',
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['core_organization.id'], name=op.f('fk_core_membership_organization_id_core_organization'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['core_user.id'], name=op.f('fk_core_membership_user_id_core_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'organization_id', name=op.f('pk_core_membership'))
    )
    with op.batch_alter_table('core_membership', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_membership_organization_id'), ['organization_id'], unique=False)

    op.create_table('core_token',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['core_user.id'], name=op.f('fk_core_token_user_id_core_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_core_token')),
    sa.UniqueConstraint('digest', name=op.f('uq_core_token_digest'))
    )
    with op.batch_alter_table('core_token', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_core_token_user_id'), ['user_id'], unique=False)

    op.create_table('core_revision',
    sa.Column('content_id', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('actor_id', sa.Integer(), nullable=True),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['actor_id'], ['core_user.id'], name=op.f('fk_core_revision_actor_id_core_user'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['content_id'], ['core_content.id'], name=op.f('fk_core_revision_content_id_core_content'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('content_id', 'version', name=op.f('pk_core_revision'))
    )


def downgrade() -> None:
    op.drop_table('core_revision')
    with op.batch_alter_table('core_token', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_token_user_id'))

    op.drop_table('core_token')
    with op.batch_alter_table('core_membership', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_membership_organization_id'))

    op.drop_table('core_membership')
    op.drop_table('core_grant')
    with op.batch_alter_table('core_content', schema=None) as batch_op:
        batch_op.drop_index('ix_core_content_type_state_published_at')
        batch_op.drop_index('ix_core_content_state_published_at')
        batch_op.drop_index('ix_core_content_region_state')
        batch_op.drop_index(batch_op.f('ix_core_content_owner_id'))
        batch_op.drop_index(batch_op.f('ix_core_content_organization_id'))
        batch_op.drop_index(batch_op.f('ix_core_content_expires_at'))

    op.drop_table('core_content')
    with op.batch_alter_table('core_user', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_user_region'))

    op.drop_table('core_user')
    with op.batch_alter_table('core_region', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_region_parent'))

    op.drop_table('core_region')
    with op.batch_alter_table('core_organization', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_organization_region'))
        batch_op.drop_index(batch_op.f('ix_core_organization_name'))

    op.drop_table('core_organization')
    with op.batch_alter_table('core_job', schema=None) as batch_op:
        batch_op.drop_index('ix_core_job_state_run_at')

    op.drop_table('core_job')
    with op.batch_alter_table('core_event', schema=None) as batch_op:
        batch_op.drop_index('ix_core_event_transaction_id')
        batch_op.drop_index(batch_op.f('ix_core_event_subject_id'))

    op.drop_table('core_event')
    op.drop_table('core_cursor')

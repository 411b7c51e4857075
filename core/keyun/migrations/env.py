"""One environment for every lineage; keyun.migrate passes connection and lineage."""

from alembic import context

from keyun.db import Model, UTCDateTime

lineage: str = context.config.attributes["lineage"]


def include_name(name, type_, parent_names):  # type: ignore[no-untyped-def]
    """See only the tables that carry this lineage's prefix."""
    return type_ != "table" or (name is not None and name.startswith(f"{lineage}_"))


def include_object(obj, name, type_, reflected, compare_to):  # type: ignore[no-untyped-def]
    """Compare only the models that carry this lineage's prefix."""
    return type_ != "table" or name.startswith(f"{lineage}_")


def render_item(kind, obj, autogen_context):  # type: ignore[no-untyped-def]
    """Migration files import nothing of Keyun: write the plain type."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(obj, UTCDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Model.metadata,
    version_table=f"alembic_version_{lineage}",
    include_name=include_name,
    include_object=include_object,
    render_item=render_item,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

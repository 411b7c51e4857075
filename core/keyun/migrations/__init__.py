"""Alembic environment shared by every lineage."""

"""Notices: published, updated, cancelled, scheduled, each with its frozen audience."""

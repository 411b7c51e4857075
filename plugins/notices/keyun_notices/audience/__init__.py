"""Whom a notice is for: an expression over declared attributes, as bitmaps, as SQL and in words."""

"""Counters and distinct people, folded from what requests append."""

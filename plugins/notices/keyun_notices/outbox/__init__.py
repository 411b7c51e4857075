"""Deliveries through channels outside, each at most once."""

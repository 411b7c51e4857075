"""Example: a green mark on offers."""

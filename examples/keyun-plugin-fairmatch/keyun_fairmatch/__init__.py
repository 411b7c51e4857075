"""Example: another scorer for matches."""

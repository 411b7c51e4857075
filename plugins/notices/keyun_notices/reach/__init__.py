"""How many were reached, by kind, and never one number for all."""

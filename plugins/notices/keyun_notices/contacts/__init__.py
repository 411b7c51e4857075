"""People without an account who asked to be told by phone."""

"""Who may apply for a call, kept as data beside it."""

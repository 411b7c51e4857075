"""Search: the port, the shared analyzer, Whoosh behind it."""

"""``keyun serve``: one supervisor, and one generation of processes for each set of plugins."""

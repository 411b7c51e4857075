"""Group sessions: one device, many people, counted as attendance."""

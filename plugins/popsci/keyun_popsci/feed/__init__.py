"""The feed: what fits a reader, and why it is there."""

"""The plugin popsci."""

"""The keyun test kit."""

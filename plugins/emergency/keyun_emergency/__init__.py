"""The plugin emergency."""

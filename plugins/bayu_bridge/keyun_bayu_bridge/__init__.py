"""The plugin bayu_bridge."""

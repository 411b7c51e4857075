"""The ways out that ship with Keyun."""

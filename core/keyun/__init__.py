"""Keyun (科云): a science-and-technology cloud that an association hosts itself."""

__version__ = "0.1.0"

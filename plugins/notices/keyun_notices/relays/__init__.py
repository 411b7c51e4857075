"""People and devices that pass a notice on."""

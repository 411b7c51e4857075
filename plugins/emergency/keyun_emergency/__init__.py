"""应急科普: what to do in a hazard; never a warning."""

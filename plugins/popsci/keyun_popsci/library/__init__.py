"""The library: corrections, revisions, reviews that are due, files and feeds."""

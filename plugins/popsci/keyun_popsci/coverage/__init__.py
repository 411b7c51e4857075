"""Coverage: people, person-times and gaps, each named for what it is."""

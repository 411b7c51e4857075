"""What people want to hear, how and when; digests and feeds."""

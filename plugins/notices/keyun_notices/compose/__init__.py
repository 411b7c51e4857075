"""Pages for those who send: building an audience, trying it, sending, looking back."""

"""Which readings count: summaries of sessions, judged by a published rule."""

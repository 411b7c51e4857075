"""Precise push: reach exactly the right people, provably (精准推送)."""

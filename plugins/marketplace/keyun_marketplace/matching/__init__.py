"""The heart of need and offer matching: plain records in, ranked and explained candidates out."""

"""Questions to scientists, search with facets, and what editors should write next."""

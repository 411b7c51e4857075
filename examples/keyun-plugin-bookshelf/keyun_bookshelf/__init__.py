"""阅读书架: the articles of popsci as a reading list with a reading level; it serves popsci's slot."""

"""What is known about people: declared attributes, resident bitmaps, and what they say of themselves."""

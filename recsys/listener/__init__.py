"""A person rather than an item: their profile, what both models would give them, and a radio of it."""

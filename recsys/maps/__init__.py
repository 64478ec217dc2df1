"""Maps of an artifact set: made from its stored neighbour lists, measured, and kept with it."""

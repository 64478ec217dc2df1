"""Vectors that other programs made, in and out of an artifact set; nothing from a file is ever executed."""

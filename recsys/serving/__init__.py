"""What an operator wants to know of a running server: can it serve its sets, how fast, for how many, in what memory."""

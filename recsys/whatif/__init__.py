"""What would other BM25 parameters change? Asked before a model is trained with them, and answered beside the noise."""

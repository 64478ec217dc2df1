"""Compare ALS and Word2vec music recommenders, never without the noise beside the difference."""

__version__ = "0.1.0"

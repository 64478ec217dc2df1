"""The arrows up to item vectors on Apache Spark: reading, weights, queues, ALS and Word2vec on a cluster."""

"""Tuning: what other K1 and B would have given, measured on listeners' items that the fits never saw."""

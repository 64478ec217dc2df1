"""Tuning: what other parameters would have given, measured on listeners' items that the fits never saw."""

"""Evaluation: both models and baselines, fitted anew without what they are then asked for."""

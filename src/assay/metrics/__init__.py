"""Metrics of models, their intervals, and paired comparisons."""

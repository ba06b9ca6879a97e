"""Metrics beyond torchmetrics': votes of windows, tags, sequences."""

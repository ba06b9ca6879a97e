"""Checkpoints of any origin to the state of our encoders."""

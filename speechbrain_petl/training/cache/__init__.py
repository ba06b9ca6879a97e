"""Compute what does not change from epoch to epoch once."""

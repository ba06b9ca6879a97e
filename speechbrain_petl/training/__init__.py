"""The Brain, its loop, and what a run writes."""

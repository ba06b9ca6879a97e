"""Hyper-parameters of a method file, searched with Optuna."""

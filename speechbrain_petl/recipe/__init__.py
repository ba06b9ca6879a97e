"""Yaml files and the command line of a recipe."""

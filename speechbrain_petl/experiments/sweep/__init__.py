"""Methods x folds x seeds (x shots) of a recipe by one command."""

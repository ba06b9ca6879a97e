"""From the results of runs to a recipe's table and pictures."""

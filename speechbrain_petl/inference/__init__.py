"""What a run has learned, in use: classifiers, adapters, graphs."""

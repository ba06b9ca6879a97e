"""From this package to pull requests for speechbrain/speechbrain."""

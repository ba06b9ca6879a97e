"""Bad days, repeated: kills, damaged files, bad input and hostile files."""

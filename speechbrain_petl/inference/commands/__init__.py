"""Command lines: parsed before torch is imported, so that --help is quick."""

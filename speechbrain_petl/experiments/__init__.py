"""Many runs: sweep, search, report."""

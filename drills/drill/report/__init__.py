"""report.json is the report; report.md and report.html are drawn from it alone."""

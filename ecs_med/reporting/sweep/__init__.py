"""The report of a sweep: what labels buy."""

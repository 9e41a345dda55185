"""Where the runs of a sweep run: one module each, loaded when chosen."""

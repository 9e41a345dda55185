"""A grid of ordinary runs over methods, budgets and seeds, and where they are run."""

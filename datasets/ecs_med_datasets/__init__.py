"""Data layouts: one module a way of laying out files."""

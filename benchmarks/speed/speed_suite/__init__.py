"""Measurements of speed that share their way of timing, their results and their page."""

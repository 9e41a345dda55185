"""The table of methods at few labels: equal steps and equal seconds, two data sets, one page."""

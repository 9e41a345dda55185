"""Statistics of a sweep: intervals, comparisons, learning curves; NumPy and SciPy only."""

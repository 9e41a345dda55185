"""Trained models applied to scans: segmenting, predicting on files, scoring."""

"""DICOM: files opened safely, series found and placed in space, pixels decoded."""

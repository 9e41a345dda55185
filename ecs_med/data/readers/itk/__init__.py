"""NRRD and MetaImage: what 3D Slicer, ITK-SNAP and challenges exchange."""

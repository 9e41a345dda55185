"""NRRD and MetaImage: what 3D Slicer, ITK-SNAP and challenges exchange.

Both are a text header before, or beside, plain or deflated numbers, so they are read here without
a library: one reading of a header decides which file is opened, how much of it, and as what.
A header that two programs could understand in two ways is refused.
"""

"""Target `bundle`: a MONAI bundle, whose configuration names classes of torch, MONAI and smp."""

from ecs_med.export.bundle.target import BundleExport

__all__ = ["BundleExport"]

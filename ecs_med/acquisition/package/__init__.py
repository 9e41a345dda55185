"""Packages for annotators: one module a tool, each with images and the drafts of a model."""

from ecs_med.acquisition.package.base import PACKAGES, Classes, Package, PackagedCase
from ecs_med.acquisition.package.writing import Packing

__all__ = ["PACKAGES", "Classes", "Package", "PackagedCase", "Packing"]

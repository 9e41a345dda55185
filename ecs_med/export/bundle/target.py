"""Writing a bundle and comparing it with `predict`."""

import json
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from ecs_med.export.base import Export, Request, Told
from ecs_med.export.bundle.checking import check_bundle
from ecs_med.export.bundle.configuration import inference
from ecs_med.export.bundle.metadata import metadata, readme
from ecs_med.export.bundle.network import is_stock, write_weights

__all__ = ["BundleExport"]

_LOGGING = """[loggers]
keys=root

[handlers]
keys=consoleHandler

[formatters]
keys=fullFormatter

[logger_root]
level=INFO
handlers=consoleHandler

[handler_consoleHandler]
class=StreamHandler
level=INFO
formatter=fullFormatter
args=(sys.stdout,)

[formatter_fullFormatter]
format=%(asctime)s - %(name)s - %(levelname)s - %(message)s
"""
_LICENSE = """The weights and this description belong to whoever trained the model, who decides on
their licence and replaces this text by it. The configuration was written by ecs-med, Apache-2.0.
"""


class BundleExport(Export):
    """A MONAI bundle, for `monai.bundle`, MONAI Deploy and MONAI Label."""

    name: ClassVar[str] = "bundle"
    title: ClassVar[str] = "a MONAI bundle"

    def write(self, request: Request, folder: Path) -> Told:
        """Write configuration, weights, metadata and words; errors as of `Export.write`."""
        for part in ("configs", "docs"):
            (folder / part).mkdir()
        written = write_weights(request, folder)
        _write(folder / "configs/inference.json", inference(request))
        _write(folder / "configs/metadata.json", metadata(request))
        (folder / "configs/logging.conf").write_text(_LOGGING, encoding="utf-8")
        (folder / "docs/README.md").write_text(readme(request), encoding="utf-8")
        schema = files("ecs_med.export.bundle") / "metadata.schema.json"
        (folder / "docs/metadata.schema.json").write_bytes(schema.read_bytes())
        (folder / "LICENSE").write_text(_LICENSE, encoding="utf-8")
        return Told(check_bundle(request, folder), _notes(request, written))


def _write(path: Path, content: object) -> None:
    text = json.dumps(content, indent=4, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _notes(request: Request, written: str) -> tuple[str, ...]:
    spec = request.model.spec
    notes = []
    if request.corrects or request.uncorrected:
        what = "without" if request.uncorrected else "with"
        notes.append(f"labels are those {what} the corrector's corrections")
    if not is_stock(request):
        notes.append(
            f"the network is a graph ({written}), as no class of MONAI or smp gives its scores"
        )
    if spec.spatial_dims == 2:
        notes.append(
            f"slices above {spec.tile} pixels, which ecs-med predict segments in tiles, are "
            "refused by the bundle"
        )
    notes.append("LICENSE, authors and copyright are yours to fill in")
    return tuple(notes)

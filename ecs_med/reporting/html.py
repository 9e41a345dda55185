"""One self-contained HTML page: its template, its style, its pictures."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.files import regular_file
from ecs_med.names import visible
from ecs_med.runs import GalleryEntry

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Tile", "embedded_panel", "embedded_picture", "rendered_page"]

_ROOM = "ecs_med.reporting"


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure: what it is, its value, and a remark."""

    name: str
    value: str
    remark: str = ""
    main: bool = False


def rendered_page(
    template: str, *, package: str, styles: Sequence[str] = (), **context: Any
) -> str:
    """Fill a template; everything in it is escaped but `style`, and control characters are shown.

    A template may extend `page.html.j2` of this room, which is the frame of every report.

    Args:
        template: Its file name.
        package: Where it lies.
        styles: Style sheets beside it that follow `page.css` of this room in the variable `style`.
        **context: Variables of the template; a missing one is an error.

    Returns:
        The page, safe to be written as UTF-8.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    places = [name.partition(".") for name in (package, _ROOM)]
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader(root, inside.replace(".", "/") or ".") for root, _, inside in places]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheets = [files(_ROOM) / "page.css", *(files(package) / name for name in styles)]
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    page: str = environment.get_template(template).render(style=Markup(style), **context)
    return page


def _shown(value: Any) -> Any:
    # The exact type: markup of ours is no plain string.
    return visible(value) if type(value) is str else value


def embedded_panel(folder: Path, entry: GalleryEntry, name: str, side: int) -> str:
    """A panel of a gallery as a JPEG data URI, small enough to be one of dozens.

    Returns:
        At most `side` pixels long; empty where there is no such panel or it cannot be read.
    """
    from PIL import Image

    if name not in entry.panels:
        return ""
    try:
        # Only names inside the folder count, whatever the entry says.
        file = regular_file(folder / Path(entry.panels[name]).name)
        with Image.open(file, formats=("PNG",)) as picture:
            panel = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    return _data_uri(panel, side)


def embedded_picture(panel: npt.NDArray[np.uint8], side: int) -> str:
    """A picture, (H, W, 3), as a JPEG data URI, at most `side` pixels long."""
    from PIL import Image

    return _data_uri(Image.fromarray(np.ascontiguousarray(panel)), side)


def _data_uri(panel: "Image.Image", side: int) -> str:
    from PIL import Image

    panel.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Full chroma resolution keeps coloured outlines crisp.
    panel.save(buffer, format="JPEG", quality=84, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"

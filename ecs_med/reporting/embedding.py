"""Pictures inside a page, so that the page is one file."""

import base64
import io
from pathlib import Path

__all__ = ["embedded_panel"]


def embedded_panel(path: Path, side: int) -> str:
    """A PNG as a JPEG data URI, small enough to be one of dozens.

    Args:
        path: A panel of a gallery.
        side: Longer side in pixels at most.

    Returns:
        Empty where the file cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            panel = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    panel.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Full chroma resolution keeps coloured outlines crisp.
    panel.save(buffer, format="JPEG", quality=84, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"

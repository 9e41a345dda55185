"""Files of JSON with a schema: read whole and checked, or refused in one sentence."""

import json
import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ecs_med.errors import RunFolderError
from ecs_med.files import regular_file, write_json

__all__ = ["Record"]


_LONE_SURROGATE = re.compile(rb"\\ud[89a-f]", re.IGNORECASE)
"""A byte of a file name that is no UTF-8, as `write_text` writes it; pydantic refuses it."""


class Record(BaseModel):
    """Base of everything that a run keeps as JSON: frozen, unknown keys refused."""

    remedy: ClassVar[str] = "restore the file, or train this run again"
    """What to do where a file is missing or damaged, without a full stop."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @classmethod
    def parse_json(cls, text: str | bytes, path: Path) -> Self:
        """Parse JSON.

        Args:
            text: The JSON.
            path: Where it comes from, for messages.

        Raises:
            RunFolderError: If it is no JSON, or does not fit the schema; names file and field.
        """
        try:
            if _LONE_SURROGATE.search(text if isinstance(text, bytes) else text.encode()):
                return cls.model_validate(json.loads(text))
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RunFolderError(f"{path}: is damaged ({_first(error)}); {cls.remedy}.") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            RunFolderError: If it is missing, unreadable or damaged; names file and field.
        """
        try:
            text = regular_file(path).read_bytes()
        except FileNotFoundError:
            raise RunFolderError(f"{path}: is missing; {cls.remedy}.") from None
        except OSError as error:
            raise RunFolderError(
                f"{path}: cannot be read ({error.strerror}); check the path and its permissions."
            ) from error
        return cls.parse_json(text.removeprefix(BOM_UTF8), path)

    def write(self, path: Path) -> None:
        """Write it as indented JSON, all of it or nothing.

        Raises:
            RunFolderError: If the file cannot be written.
        """
        write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """What JSON holds of it: plain objects, lists, numbers and text."""
        return self.model_dump(mode="json")

    def to_line(self) -> str:
        """The same on one line, without its end."""
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message

"""Names that name nobody: keyed hashes of identifiers, with a key that stays on this machine."""

import hmac
import os
import secrets
import stat
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ecs_med.errors import DataError
from ecs_med.litter import temporary_file

__all__ = ["KEY_BYTES", "Pseudonyms", "key_path"]

KEY_BYTES = 32
_DIGITS = 10


def key_path() -> Path:
    """Where the key lies (`XDG_CONFIG_HOME` is respected).

    Raises:
        DataError: If the user has no home.
    """
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        parent = Path(base) if base else Path.home() / ".config"
    except RuntimeError:
        raise DataError(
            "The key for names of DICOM cases has no place, as there is no home folder; set "
            "XDG_CONFIG_HOME to a folder that stays, or keep names with `keep_names`."
        ) from None
    return parent / "ecs-med" / "key"


class Pseudonyms:
    """Hashes of identifiers: the same for the same key, and without it not to be guessed.

    Plain hashes of names and numbers can be inverted by trying them all; these cannot.

    Example:
        >>> own, other = Pseudonyms(b"one key"), Pseudonyms(b"another")
        >>> own.of("case", "1.2.3") == own.of("case", "1.2.3") != other.of("case", "1.2.3")
        True
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, identifier: str) -> str:
        """A name such as `case-3f2a90c1d4`.

        Args:
            kind: What it names; the same identifier has another hash as another kind.
            identifier: What shall not be seen.
        """
        text = f"{kind}\0{identifier}".encode("utf-8", "surrogateescape")
        return f"{kind}-{hmac.new(self._key, text, 'sha256').hexdigest()[:_DIGITS]}"

    @classmethod
    def local(cls) -> "Pseudonyms":
        """Those of this user on this machine; the key is made when it is first asked for.

        Raises:
            DataError: If the key cannot be read or made.
        """
        path = key_path()
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _make(path)
            return cls(_key(path, path.stat().st_mtime_ns))
        except OSError as error:
            raise DataError(
                f"{path}: the key for names of DICOM cases cannot be read or written "
                f"({error.strerror}); check its permissions, or keep names with `keep_names`."
            ) from error


@lru_cache(maxsize=4)
def _key(path: Path, _changed: int) -> bytes:
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise DataError(
            f"{path}: is not the key for names of DICOM cases (it has {len(key)} bytes); restore "
            "it, or remove it, and cases get other names."
        )
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.warn(
            f"{path}: others can read the key for names of DICOM cases; chmod 600 keeps it yours.",
            stacklevel=2,
        )
    return key


def _make(path: Path) -> None:
    """Make a key, unless another process does so first."""
    with temporary_file(path.parent, path.name) as temporary:
        temporary.chmod(0o600)
        temporary.write_bytes(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:  # no hard links here; a name is taken by one process all the same
            with suppress(FileExistsError), path.open("xb") as file:
                path.chmod(0o600)
                file.write(temporary.read_bytes())

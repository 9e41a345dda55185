"""A folder of links that stand for files whose own names shall not be seen."""

import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.readers import image_suffixes
from ecs_med.errors import DataError
from ecs_med.files import cache_folder
from ecs_med.litter import temporary_file

__all__ = ["LinkFolder"]

_PRIVATE = 0o700
_OTHERS = "others"


class LinkFolder:
    """The links to the files below one place, `<cache>/ecs-med/dicom/<hash>`.

    Making links again changes nothing where they are right, and none is removed that leads
    somewhere, so that any number of processes may do it at once.

    Args:
        place: The folder or file that a user named, or the files where there were several.
        pseudonyms: What hides it.
    """

    def __init__(self, place: Path | Sequence[Path], pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        places = [place] if isinstance(place, Path) else place
        named = "\0".join(str(path.resolve()) for path in places)
        self.path = cache_folder("dicom") / pseudonyms.of("data", named)

    def case(
        self, name: str, files: Sequence[Path], mask: Path | None = None
    ) -> tuple[tuple[Path, ...], Path | None]:
        """Links to the files of a case and to its mask.

        Args:
            name: A pseudonym.
            files: In their order, which the names of the links keep.
            mask: May be the same file as that of another case.

        Raises:
            DataError: If they cannot be made.
        """
        width = max(4, len(str(len(files))))
        links = {f"{n:0{width}d}{_suffix(path)}": path for n, path in enumerate(files, 1)}
        names = tuple(links)
        if mask is not None:
            links[f"mask{_suffix(mask)}"] = mask
        folder = self.folder(name)
        self._link_all(folder, links)
        found = tuple(folder / link for link in names)
        return found, None if mask is None else folder / f"mask{_suffix(mask)}"

    def other(self, path: Path) -> Path:
        """A link to a file or folder that belongs to no case."""
        digest = self._pseudonyms.of("file", str(path.absolute()))
        known = path.is_file() or not path.exists()
        name = f"{digest}{_suffix(path) if known else ''}"
        folder = self.folder(_OTHERS)
        self._link_all(folder, {name: path})
        return folder / name

    def clear(self) -> None:
        """Remove links to files that are no more, and what was made of cases without any."""
        with suppress(OSError):
            for folder in self.path.glob("case-*"):
                links = [entry for entry in folder.iterdir() if entry.is_symlink()]
                broken = [link for link in links if not link.exists()]
                for link in broken:
                    link.unlink(missing_ok=True)
                if broken and len(broken) == len(links):
                    shutil.rmtree(folder, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """A folder below this one, made for its owner alone.

        Raises:
            DataError: If it cannot be made.
        """
        folder = self.path / name
        try:
            self.path.parent.parent.mkdir(parents=True, exist_ok=True)
            for own in (self.path.parent, self.path, folder):
                own.mkdir(_PRIVATE, exist_ok=True)
                own.chmod(_PRIVATE)
        except OSError as error:
            raise _cannot(folder, error) from error
        return folder

    def _link_all(self, folder: Path, links: Mapping[str, Path]) -> None:
        for name, target in links.items():
            try:
                _link(folder / name, target.absolute())
            except OSError as error:
                raise _cannot(folder / name, error) from error


def _link(link: Path, target: Path) -> None:
    """A symbolic link, or where there are none a hard link, else a copy."""
    if link.is_symlink() and link.readlink() == target:
        return
    if not link.is_symlink() and link.exists() and _is_same(link, target):
        return
    with temporary_file(link.parent, link.name) as temporary:
        temporary.unlink()
        try:
            temporary.symlink_to(target)
        except OSError:
            if not target.is_file():
                return  # what is no file cannot be anything but named
            try:
                os.link(target, temporary)
            except OSError:
                shutil.copyfile(target, temporary)
                shutil.copystat(target, temporary)
                temporary.chmod(0o600)
        temporary.replace(link)


def _is_same(link: Path, target: Path) -> bool:
    """Whether a hard link or a copy is what it was made of."""
    if link.samefile(target):
        return True
    own, other = link.stat(), target.stat()
    alike = (own.st_size, own.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    filecmp.clear_cache()  # it believes times and sizes, too
    return alike and filecmp.cmp(link, target, shallow=False)


def _suffix(path: Path) -> str:
    """The suffix by which it is known what the file is, else that of DICOM."""
    name = path.name.lower()
    known = (*image_suffixes(), ".zip")
    return next((suffix for suffix in known if name.endswith(suffix)), ".dcm")


def _cannot(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: no link can be made here ({error.strerror}), so names of DICOM files cannot be "
        "kept back; set XDG_CACHE_HOME to a folder that can be written, or keep them with "
        "`keep_names`."
    )

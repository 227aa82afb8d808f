"""A folder that a server was given: what lies in it, and nothing outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from errno import EACCES
from itertools import islice
from pathlib import Path
from secrets import token_hex
from shutil import copymode
from typing import Final

from mcp.server.mcpserver.exceptions import ToolError

MOST_BYTES: Final = 256 * 1024
"""Of one file, read or written."""
MOST_SEEN: Final = 10_000
"""Files that are looked at when files are listed; of a larger folder only some are there."""


class Folder:
    """Finds, reads and writes the regular files of one folder; hidden ones count as not there."""

    def __init__(self, path: Path) -> None:
        """
        Take an existing folder.

        Raises:
            NotADirectoryError: it is none.
        """
        self.path = path.resolve()
        if not self.path.is_dir():
            raise NotADirectoryError(str(path))

    def inside(self, name: str) -> Path:
        """
        Return the path of what a caller named, relative to the folder or absolute.

        Raises:
            ToolError: it leads outside, by `..` or by a link, or to something hidden, such as `.git`.
        """
        try:
            path = (self.path / name).resolve()
            within = path.relative_to(self.path)
            path.exists()
        except (ValueError, OSError, RuntimeError):  # a NUL, a name too long, links in a circle
            raise ToolError(f"'{name[:200]}' is outside of the folder that this server was given") from None
        if any(part.startswith(".") for part in within.parts):
            raise ToolError(f"'{name[:200]}' is hidden, and not for this server")
        return path

    def name_of(self, path: Path) -> str:
        """Return a path in the folder as callers name it."""
        return path.relative_to(self.path).as_posix()

    def files(self, below: str = ".", suffix: str = "") -> Iterator[Path]:
        """
        Yield the regular files below a folder, those beside a folder before those in it.

        Raises:
            ToolError: it is no folder, or outside.
        """
        start = self.inside(below)
        if not start.is_dir():
            raise ToolError(f"'{below[:200]}' is no folder")
        for path in islice(_below(start), MOST_SEEN):
            if path.name.endswith(suffix) and path.is_file() and not path.is_symlink():
                yield path

    def read(self, name: str) -> str:
        """
        Return a file's text.

        Raises:
            ToolError: it is not there, no regular file, no text in UTF-8, or too large.
        """
        path = self.inside(name)
        if not path.is_file():
            raise ToolError(f"There is no file '{name[:200]}'")
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise ToolError(f"'{name[:200]}' has more than {MOST_BYTES} bytes")
            return data.decode()
        except OSError as error:
            raise ToolError(f"'{name[:200]}' cannot be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ToolError(f"'{name[:200]}' is no text") from None

    def write(self, name: str, text: str) -> Path:
        """
        Write a file's text in place of what was there, whole or not at all; folders on its way are made.

        Raises:
            ToolError: the text is too large, the name is that of a folder or device, or it must stay.
        """
        path = self.inside(name)
        data = text.encode()
        if len(data) > MOST_BYTES:
            raise ToolError(f"A file may have {MOST_BYTES} bytes here, and these are {len(data)}")
        if path.exists() and not path.is_file():
            raise ToolError(f"'{name[:200]}' is no file")  # a pipe would be waited for
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _put(path, data)
        except OSError as error:
            raise ToolError(f"'{name[:200]}' cannot be written: {error.strerror}") from error
        return path

    def delete(self, name: str) -> None:
        """
        Delete a file.

        Raises:
            ToolError: it is not there, no regular file, or must stay.
        """
        path = self.inside(name)
        if not path.is_file():
            raise ToolError(f"There is no file '{name[:200]}'")
        try:
            path.unlink()
        except OSError as error:
            raise ToolError(f"'{name[:200]}' cannot be deleted: {error.strerror}") from error


def _put(path: Path, data: bytes) -> None:
    """Put a file in its place in one step: whoever reads it sees what was there, or all that is."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))  # its folder would let it be replaced
    part = path.parent / f".{token_hex(8)}.part"
    try:
        part.write_bytes(data)
        if path.exists():
            copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _below(start: Path) -> Iterator[Path]:
    """Yield what lies below a folder, in order; what is hidden is not even looked into."""
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))

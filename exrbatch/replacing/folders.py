"""Folders of a mirrored tree: made as needed, and no more open than those that they mirror."""

import os

from exrbatch.errors import ReplaceFailed
from exrbatch.replacing import disk
from exrbatch.replacing.metadata import Metadata


def make_folder_of(path: str, source: str, root: str | None) -> None:
    """Make the folder of a file in a mirrored tree, and those above it that are missing. Raises `ReplaceFailed`.

    Each takes over mode, owner, group and attributes from its counterpart: the folder of `source`, then the folders
    above that as long as the names below them agree. Folders above the mirrored tree get the user's umask. `root`: the
    folder that must hold the new one; a link may lead out of it that was not there when the tree was planned.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        if root is not None and not (os.path.realpath(folder) + os.sep).startswith(os.path.realpath(root) + os.sep):
            raise ReplaceFailed(f"the folder for {path} is behind a link that leads out of {root}")
        if not os.path.isdir(folder):
            _make(folder, os.path.realpath(os.path.dirname(source) or "."))
    except OSError as error:
        raise ReplaceFailed(f"can't make the folder for {path}: {error.strerror}", error.errno) from error


def _make(folder: str, like: str | None) -> None:
    if os.path.isdir(folder):
        return
    parent, name = os.path.split(folder)
    above, like_name = os.path.split(like) if like is not None else ("", "")
    _make(parent, above if like_name == name else None)
    is_mirror = like is not None and os.name == "posix"
    try:
        disk.DISK.make_folder(folder, 0o700 if is_mirror else 0o777)
    except FileExistsError:  # by another worker, a moment ago: it gives the folder its mode, too
        if os.path.isdir(folder):
            return
        raise
    if is_mirror and like is not None:
        _open_up(folder, like)
    disk.DISK.sync_directory(parent)


def _open_up(folder: str, like: str) -> None:
    """Give a folder that we have just made, and nobody else can enter, the metadata of its counterpart."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        like_fd = os.open(like, os.O_RDONLY | os.O_DIRECTORY)
        try:
            metadata = Metadata(like_fd, os.fstat(like_fd))
        finally:
            os.close(like_fd)
        metadata.give_owner_and_attributes(fd)
        metadata.give_mode(fd, at_least=0o700)  # as we write files there
    finally:
        os.close(fd)

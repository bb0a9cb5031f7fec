"""Make the folders of a mirrored tree, never with more permissions than those they mirror."""

import os

from exrbatch.errors import ReplaceFailed
from exrbatch.paths import absolute
from exrbatch.replacing import disk
from exrbatch.replacing.metadata import Metadata


def make_folder_of(path: str, source: str, root: str | None) -> None:
    """Make the folder of a file in a mirrored tree, and all missing folders above it.

    Each new folder gets the mode, owner, group and attributes of its counterpart. The counterpart
    of the last folder is the folder of `source`. Above that, folders are counterparts as long as
    the names below them agree. Folders above the mirrored tree get the default mode, as cut by the
    user's umask.

    Args:
        path: the file in the mirrored tree.
        source: its counterpart.
        root: the folder that must contain the new one. This is checked, because a link that leads
            out of it may have appeared since the tree was planned. If None, nothing is checked.

    Raises:
        ReplaceFailed: if the folder can't be made, or is outside `root`.
    """
    folder = os.path.dirname(absolute(path))
    try:
        if root is not None and not (os.path.realpath(folder) + os.sep).startswith(os.path.realpath(root) + os.sep):
            raise ReplaceFailed(f"the folder for {path} is behind a link that leads out of {root}")
        if not os.path.isdir(folder):
            _make(folder, os.path.realpath(os.path.dirname(source) or "."))
    except OSError as error:
        raise ReplaceFailed(f"can't create the folder for {path}: {error.strerror}", error.errno) from error


def _make(folder: str, like: str | None) -> None:
    if os.path.isdir(folder):
        return
    parent, name = os.path.split(folder)
    above, like_name = os.path.split(like) if like is not None else ("", "")
    _make(parent, above if like_name == name else None)
    is_mirror = like is not None and os.name == "posix"
    try:
        disk.DISK.make_folder(folder, 0o700 if is_mirror else 0o777)
    except FileExistsError:  # another worker has just made it, and sets its mode
        if os.path.isdir(folder):
            return
        raise
    if is_mirror and like is not None:
        _open_up(folder, like)
    disk.DISK.sync_directory(parent)


def _open_up(folder: str, like: str) -> None:
    """Give a folder the metadata of its counterpart.

    We have just made the folder, and no other user can enter it yet.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        like_fd = os.open(like, os.O_RDONLY | os.O_DIRECTORY)
        try:
            metadata = Metadata(like_fd, os.fstat(like_fd))
        finally:
            os.close(like_fd)
        metadata.give_owner_and_attributes(fd)
        metadata.give_mode(fd, at_least=0o700)  # because we write files there
    finally:
        os.close(fd)

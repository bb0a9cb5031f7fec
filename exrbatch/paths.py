"""Paths as the system understands them."""

import os
from collections.abc import Iterator


def absolute(path: str) -> str:
    """Make a path absolute.

    `..` after a symbolic link leads to the folder that contains the target of the link.
    """
    folder, name = os.path.split(path)
    if os.pardir not in path.split(os.sep):
        return os.path.abspath(path)
    return os.path.realpath(path) if name in ("", os.pardir) else os.path.join(os.path.realpath(folder), name)


def parents(path: str) -> Iterator[str]:
    """Yield all folders above a path, from the innermost to the outermost."""
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def existing_folder(folder: str) -> str:
    """Return a folder, or the innermost one above it that exists."""
    while not os.path.isdir(folder) and (above := os.path.dirname(folder) or ".") != folder:
        folder = above
    return folder

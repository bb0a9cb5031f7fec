"""Paths as the system understands them."""

import os


def absolute(path: str) -> str:
    """Make a path absolute.

    `..` after a symbolic link leads to the folder that contains the target of the link.
    """
    folder, name = os.path.split(path)
    if os.pardir not in path.split(os.sep):
        return os.path.abspath(path)
    return os.path.realpath(path) if name in ("", os.pardir) else os.path.join(os.path.realpath(folder), name)

"""Check whether a file is a complete OpenEXR file.

The sweep of leftover temp files makes this check before it removes an original that was replaced.
"""

from exrbatch.errors import ExrbatchError


def is_complete(path: str) -> bool:
    """Return whether a file is an OpenEXR file with all its chunks in place."""
    from exrbatch.exr.reader import open_exr  # imported late: rarely needed, and it imports numpy

    try:
        with open_exr(path) as file:
            return len(file.parts) > 0
    except (ExrbatchError, OSError):
        return False

"""Is a file a complete OpenEXR file? Safe replacement asks before it removes what such a file has replaced."""

from exrbatch.errors import ExrbatchError


def is_complete(path: str) -> bool:
    """Whether a file is an OpenEXR file with all its chunks in place."""
    from exrbatch.exr.reader import open_exr  # seldom needed, and it takes numpy with it: a run starts sooner

    try:
        with open_exr(path) as file:
            return len(file.parts) > 0
    except (ExrbatchError, OSError):
        return False

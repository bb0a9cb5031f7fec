"""Paths, sizes and times as people read them. No markup: the result is shown as it is."""

import contextlib
import os
import re


def safe_text(text: str) -> str:
    r"""Make any text safe to print on one line.

    Every path and message that reaches a person goes through here: a file name may hold escape sequences that clear
    the terminal, newlines, or bytes that are not UTF-8. Those are shown as \xNN and the like. What has been made safe
    already comes out as it went in.
    """
    # Bytes of a name that the system could not decode are surrogates in Python: they may still be good UTF-8.
    with contextlib.suppress(UnicodeEncodeError):  # other surrogates, as Windows has them
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    safe = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", safe)


def path_bytes(path: str) -> bytes:
    """Return a path as the bytes that it is on disk, also where the system's encoding can't express it."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")


def format_size(size: float) -> str:
    """Show bytes in decimal units, as disks are sold: 999 B, 1.2 kB, 45.6 MB, 7.1 GB."""
    sign, size = ("-", -size) if size < 0 else ("", size)
    if size < 1000:
        return f"{sign}{size:.0f} B"
    units = ["TB", "GB", "MB", "kB"]
    size /= 1000
    while size >= 999.95 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{sign}{size:.1f} {units[-1]}"


def format_duration(seconds: float) -> str:
    """Show seconds as 4.2 s, 3:25 or 1:02:03."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def shortened(text: str, width: int) -> str:
    """Cut the front of a text that is too long; the end of a path (frame number, type) tells most."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]

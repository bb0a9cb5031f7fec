"""Paths, sizes and times as text for people. The text has no markup and is shown as it is."""

import contextlib
import os
import re
import time
from datetime import UTC, datetime


def safe_text(text: str) -> str:
    r"""Make any text safe to print on one line.

    Every path and message that is shown to a user goes through this function. A file name may
    contain escape sequences that clear the terminal, newlines, or bytes that are not UTF-8. They
    are shown as \xNN and the like. Text that is safe already is returned unchanged.
    """
    # Python represents bytes of a name that the system cannot decode as surrogates. These bytes may
    # still be valid UTF-8, for example if the system's encoding is ASCII.
    with contextlib.suppress(UnicodeEncodeError):  # other surrogates, as on Windows
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    safe = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", safe)


def path_bytes(path: str) -> bytes:
    """Return a path as the bytes on disk, even if the system's encoding cannot express it."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")


def printable(path: str) -> str:
    """Return a path as valid Unicode: bytes that are not UTF-8 become replacement characters."""
    return path_bytes(path).decode("utf-8", "replace")


def format_size(size: float) -> str:
    """Format bytes in decimal units, as disk makers do: 999 B, 1.2 kB, 45.6 MB, 7.1 GB."""
    sign, size = ("-", -size) if size < 0 else ("", size)
    if size < 999.5:
        return f"{sign}{size:.0f} B"
    units = ["TB", "GB", "MB", "kB"]
    size /= 1000
    while size >= 999.95 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{sign}{size:.1f} {units[-1]}"


def parse_size(text: str) -> int:
    """Parse a number of bytes: 300, 200k, 200M, 1.5 GB or 10KiB. Only an `i` makes it binary.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 200M, 1.5G or 10KiB")
    power = " kmgt".index(match[2]) if match[2] else 0
    base = 1024 if match[3] else 1000
    return round(float(match[1]) * float(base**power))


def format_saving(saved: int, share: float | None = None) -> str:
    """Return text such as "saved 1.2 GB (60.0 %)", or "grew by 1.2 GB (60.0 %)".

    Args:
        saved: bytes saved; negative if the files grew.
        share: `saved` as a fraction of the size before; None to leave out the percentage.
    """
    words = f"grew by {format_size(-saved)}" if saved < 0 else f"saved {format_size(saved)}"
    return words if share is None else f"{words} ({100 * abs(share):.1f} %)"


def format_duration(seconds: float) -> str:
    """Format seconds as 4.2 s, 3:25 or 1:02:03."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_left(seconds: float, now: float) -> str:
    """Return the time left and the local time of the end: "28 min left, ends 05:12".

    Args:
        seconds: estimated time left in seconds.
        now: the present time in seconds since 1970.
    """
    end = time.localtime(now + seconds)
    if seconds < 6 * 86400:
        day = "" if seconds < 86400 else "%a "
        ends = time.strftime(f"{day}%H:%M", end)
    else:
        ends = time.strftime("%Y-%m-%d", end)
    return f"{format_minutes(seconds)} left, ends {ends}"


def format_minutes(seconds: float) -> str:
    """Format seconds as 45 s, 36 min or 7 h 36 min."""
    minutes = round(seconds / 60)
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def format_rate(rate: float) -> str:
    """Format bytes per second as a user would write them: 4 MB/s, 1.5 GB/s."""
    return f"{format_size(rate)}/s".replace(".0 ", " ")


def format_count(number: int, noun: str = "") -> str:
    """Format a number with separators, and a noun that gets an s: 1 file, 2,187 files."""
    return f"{number:,}" + (f" {noun}{'s' * (number != 1)}" if noun else "")


def shortened(text: str, width: int) -> str:
    """Shorten a text to `width` characters by cutting its front.

    The end of a path, with frame number and type, is the most useful part.
    """
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def shortened_end(text: str, width: int) -> str:
    """Shorten a text to `width` characters by cutting its end."""
    return text if len(text) <= width else text[: width - 1] + "…"


def timestamp(seconds: float) -> str:
    """Return a time in seconds since 1970 as ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

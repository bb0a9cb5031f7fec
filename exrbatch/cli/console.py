"""Where everything is printed."""

import contextlib
import io
from typing import Any, TextIO, cast

from rich.console import Console


class LastingStream:
    """A stream whose reader may go away: a closed terminal or pipe, or a full disk, is no reason to stop the job."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lasting_console(stream: TextIO) -> Console:
    """Make a console on a stream that may break."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a character that the terminal does not have is no reason either
    return Console(file=cast(TextIO, LastingStream(stream)), highlight=False, soft_wrap=True)

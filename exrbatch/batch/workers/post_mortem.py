"""What is known about a dead worker, in words."""

import signal
from typing import NamedTuple

from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport

MAX_WORDS = 400
"""Maximum number of characters of a dead worker's output that become part of the reason."""


class PostMortem(NamedTuple):
    """What is known about a dead worker.

    Attributes:
        reason: how it died, in words.
        code: whether it died of a crash or of the time limit.
        reports: reports of the files of its bundle that had ended.
        result: report of the file that it was processing, if the new file was already in place;
            else None.
        is_lost: whether it died because the server that had forked it was killed. This says nothing
            about the file.
    """

    reason: str
    code: ReasonCode
    reports: list[FileReport]
    result: FileReport | None
    is_lost: bool


def exit_reason(code: int | None) -> str:
    """Return in words how a worker ended."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return f"{name}, which the system sends when memory runs out" if name == "SIGKILL" else name


def last_words(printed: bytes) -> str:
    """Return a worker's output on one line, for example a traceback by faulthandler."""
    text = printed.decode("utf-8", "replace").partition("Extension modules:")[0]
    words = " ".join(text.split())
    return words if len(words) <= MAX_WORDS else words[:MAX_WORDS] + " ..."

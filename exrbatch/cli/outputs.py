"""Report files of a command, and documents on stdout.

Report files overwrite an earlier report of the same kind, and nothing else. Otherwise a pattern
that the shell expands after such an option could overwrite the first frame with the report.
"""

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from exrbatch.errors import OptionsError


def check_output(
    path: str, beginnings: str | tuple[str, ...], option: str, *, appends: bool = False, kind: str = "report"
) -> None:
    """Check that a report can be written to `path`. Nothing is changed.

    Args:
        path: the report.
        beginnings: how a report of this kind may begin.
        option: the option that named the report, for messages.
        appends: whether it is going to be written behind what is there.
        kind: what to call it in messages.

    Raises:
        OptionsError: the report cannot be written, or `path` is another kind of file.
    """
    try:
        if os.path.isdir(path):
            raise OptionsError(f"can't write the {kind} {path}: it is a folder ({option})")
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise OptionsError(f"can't write the {kind} {path}: no such folder ({option})")
        if os.path.isfile(path):
            with open(path, "rb") as file:
                known = [each.encode() for each in ([beginnings] if isinstance(beginnings, str) else beginnings)]
                beginning = file.read(max(map(len, known)))
                if beginning and not beginning.startswith(tuple(known)):
                    refusal = "not appending to it" if appends else "not overwriting it"
                    raise OptionsError(f"{path} exists and is not an exrbatch {kind}; {refusal} ({option})")
    except OSError as error:
        raise OptionsError(f"can't write the {kind} {path}: {error.strerror}") from None


def open_output(
    path: str, beginnings: str | tuple[str, ...], option: str, *, appends: bool = False, kind: str = "report"
) -> TextIO:
    """Open a report for writing after `check_output`, with the same arguments and errors.

    Args:
        path: the report.
        beginnings: how a report of this kind may begin.
        option: the option that named the report, for messages.
        appends: keep the records of an earlier run, and write behind them. A last line that a
            killed run left incomplete is ended first.
        kind: what to call it in messages.
    """
    check_output(path, beginnings, option, appends=appends, kind=kind)
    try:
        is_torn = appends and os.path.isfile(path) and not _ends_with_a_line(path)
        stream = open(path, "a" if appends else "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        if is_torn:
            stream.write("\n")
        return stream
    except OSError as error:
        raise OptionsError(f"can't write the {kind} {path}: {error.strerror}") from None


def _ends_with_a_line(path: str) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 1))
        return file.read() in (b"", b"\n")


def print_document(document: Mapping[str, object]) -> bool:
    """Print a JSON document on stdout. If that fails, say so, and return False."""
    try:
        print(json.dumps(document, indent=1), flush=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            print(f"exrbatch: can't write the document: {error.strerror}", file=sys.stderr)
        return False
    return True


def settle_stdout() -> None:
    """Flush stdout; if its reader is gone, discard the rest.

    Otherwise the interpreter would print an error when it exits.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

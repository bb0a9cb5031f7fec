"""Files that a command writes beside its job: made anew, or over an earlier one of the same kind, over nothing else.

A pattern that the shell expands behind such an option would make the first frame the report.
"""

import os
from typing import TextIO

from exrbatch.errors import OptionsError


def check_output(path: str, beginning: str, option: str) -> None:
    """Raise `OptionsError` where a file whose content begins like that can't be written; change nothing."""
    try:
        if os.path.isdir(path):
            raise OptionsError(f"can't write the report {path}: it is a folder ({option})")
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise OptionsError(f"can't write the report {path}: no such folder ({option})")
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read(len(beginning)) not in (b"", beginning.encode()):
                    raise OptionsError(f"{path} is no earlier report; {option} does not write over it")
    except OSError as error:
        raise OptionsError(f"can't write the report {path}: {error.strerror}") from None


def open_output(path: str, beginning: str, option: str) -> TextIO:
    """Open a file whose content begins like that. Raises `OptionsError`."""
    check_output(path, beginning, option)
    try:
        return open(path, "w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OptionsError(f"can't write the report {path}: {error.strerror}") from None

"""Files that a command writes beside its job: made anew, or over an earlier one of the same kind, over nothing else.

A pattern that the shell expands behind such an option would make the first frame the report.
"""

import os
from typing import TextIO

from exrbatch.errors import OptionsError


def open_output(path: str, beginning: str, option: str) -> TextIO:
    """Open a file whose content begins like that. Raises `OptionsError`."""
    try:
        if os.path.lexists(path):
            found = b""
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found = file.read(len(beginning))
            if found not in (b"", beginning.encode()):
                raise OptionsError(f"{path} is no earlier report; {option} does not write over it")
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        raise OptionsError(f"can't write the report {path}: {error.strerror}") from None

"""Lists of paths, as `find` and other programs write them.

Each entry is a literal path: a name with `####`, `*` or blanks is that name and nothing else. Names
are bytes, as the file system has them.
"""

import os
import sys

from exrbatch.errors import OptionsError

STDIN = "-"
"""Stands for standard input instead of a file."""


def read_file_list(name: str, *, ends_with_null: bool = False) -> list[str]:
    """Read a list of paths.

    Args:
        name: path of the list, or `STDIN`.
        ends_with_null: whether each entry ends with a null byte, as `find -print0` writes it,
            instead of a line feed.

    Raises:
        OptionsError: the list can't be read, or its entries end with something else.
    """
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read()
        else:
            with open(name, "rb") as file:
                data = file.read()
    except OSError as error:
        raise OptionsError(f"can't read the list of files {name}: {error.strerror}") from None
    return parse_file_list(data, ends_with_null=ends_with_null)


def parse_file_list(data: bytes, *, ends_with_null: bool = False) -> list[str]:
    """Return the entries of a list without duplicates. Empty entries are ignored.

    Args:
        data: the list.
        ends_with_null: as for `read_file_list`.

    Raises:
        OptionsError: there are null bytes in a list of lines.
    """
    if not ends_with_null and b"\0" in data:
        raise OptionsError("the list of files has null bytes; if find -print0 made it, add --null (-0)")
    entries = data.split(b"\0" if ends_with_null else b"\n")
    return list(dict.fromkeys(os.fsdecode(entry) for entry in entries if entry))

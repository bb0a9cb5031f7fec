"""What the storage of a run can do, asked before the run begins."""

import contextlib
import os
from collections.abc import Sequence

from exrbatch.batch.discovery.output_tree import folder_of
from exrbatch.errors import OptionsError, ReplaceFailed
from exrbatch.replacing import CANT_REPLACE, READ_ONLY, file_system_at, is_read_only


def check_storage(paths: Sequence[str], *, may_write: bool) -> None:
    """Refuse to replace files in place on storage where that is impossible or would lose them.

    Raises:
        OptionsError: a file is on such storage.
    """
    for folder in dict.fromkeys(folder_of(path if os.path.isdir(path) else os.path.realpath(path)) for path in paths):
        with contextlib.suppress(OSError, ReplaceFailed):  # the report of each file states the error
            storage = file_system_at(folder, may_write=may_write)
            if storage.loses_targets:
                raise OptionsError(f"{folder}: {CANT_REPLACE.format(storage.kind)} (-o DIR)")
            if is_read_only(folder):
                raise OptionsError(f"{folder}: {READ_ONLY}; use --output (-o DIR)")


def is_remote(folders: Sequence[str]) -> bool:
    """Return whether any of these folders is on storage that other machines can change, too."""
    for folder in folders:
        with contextlib.suppress(OSError):
            if not file_system_at(folder, may_write=False).is_local:
                return True
    return False

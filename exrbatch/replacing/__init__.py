"""Replace files safely: a name always refers to the complete old file or the complete new one.

This package knows nothing about EXR. From the rest of exrbatch it imports only the lowest layers
(errors, paths, text). The rest of exrbatch imports the names below and none of the modules, except
for `examine`, which explains to users what a file system can do.

To replace a file, open it and write the new version to a `Replacement`:

    fd = os.open(path, os.O_RDONLY)
    original = Original(path, fd, os.fstat(fd))
    with Replacement(original) as new:
        new.write(memoryview(data), 0)
        new.sync()
        notes = new.commit()

If `commit` is not called, or raises, the original keeps its name and the temporary file is removed,
unless the message says otherwise. After `RenameUncertain`, nothing is removed.
"""

from exrbatch.replacing import disk
from exrbatch.replacing.backups import Backup, end_orphan, find_orphan, own_names
from exrbatch.replacing.copies import copy_whole, same_bytes
from exrbatch.replacing.file_systems import (
    CANT_REPLACE,
    READ_ONLY,
    FileSystem,
    file_system_at,
    is_open_for_writing,
    is_read_only,
)
from exrbatch.replacing.folders import make_folder_of
from exrbatch.replacing.leftovers import Leftover, find_leftovers, remove_superfluous
from exrbatch.replacing.mounts import mount_of
from exrbatch.replacing.origin_notes import has_note, note_origin, write_note
from exrbatch.replacing.original import Original
from exrbatch.replacing.replacement import OUTPUT_EXISTS, Replacement
from exrbatch.replacing.temp_files import (
    Identity,
    host_hash,
    identity,
    is_alive,
    is_left_over,
    is_of_this_host,
    is_same_time,
    parse_temp_name,
    sweep_folder,
    sweep_process,
    temp_name,
    was_exchanged,
)

__all__ = [
    "CANT_REPLACE",
    "OUTPUT_EXISTS",
    "READ_ONLY",
    "Backup",
    "FileSystem",
    "Identity",
    "Original",
    "Replacement",
    "copy_whole",
    "disk",
    "end_orphan",
    "file_system_at",
    "find_orphan",
    "host_hash",
    "identity",
    "has_note",
    "is_alive",
    "is_open_for_writing",
    "is_read_only",
    "is_same_time",
    "make_folder_of",
    "mount_of",
    "note_origin",
    "own_names",
    "same_bytes",
    "sweep_folder",
    "sweep_process",
    "temp_name",
    "remove_superfluous",
    "parse_temp_name",
    "is_left_over",
    "is_of_this_host",
    "find_leftovers",
    "Leftover",
    "was_exchanged",
    "write_note",
]

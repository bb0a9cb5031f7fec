"""The errors of exrbatch.

The class says where the cause lies: in the file, in exrbatch, on the disk, or in the options. The
message says what is wrong, where, and what can be done.
"""

import enum
from typing import ClassVar

from exrbatch.text import safe_text


class ReasonCode(enum.StrEnum):
    """Why a file was skipped or has failed, for scripts.

    The wording of a reason may change; its code does not.

    Attributes:
        ACES: an ACES container, whose standard forbids compression.
        ANOTHER_NAME: another hard link to a file that is processed under its first name.
        BACKUP_EXISTS: something is at the path of the backup.
        CHANGED: the file was written to, replaced or removed while it was being processed.
        CRASHED: a worker process died of the file.
        DAMAGED: the file is damaged or contradicts itself.
        DIFFERS: the two files differ.
        DONE_MEANWHILE: another run has finished the file at the same time.
        HARD_LINKS: the file has several names, and only some of them would be replaced.
        INTERNAL: a bug in exrbatch.
        LEFTOVER: a temp file of a run that was killed; it may be the only copy of something.
        LINK: a symbolic link, or a folder behind one.
        LOSSY_SOURCE: the present compression has changed samples.
        LOSSY_TARGET: the new compression would change samples.
        MEMORY: the file needs more memory than it may use.
        METADATA: the new file can't have the owner, group or attributes of the old one.
        MISSING: there is no such frame, sequence or counterpart.
        NOT_A_FILE: not a regular file.
        NOT_SELECTED: no part has one of the compressions that were asked for.
        NO_SPACE: the disk is full, or has too little space for the new file.
        OPEN_FOR_WRITING: another program has the file open for writing.
        OUTPUT_EXISTS: the output exists and is not what this run makes of this file.
        OUTPUT_PLACE: the output is the source itself, or its folder is behind a link.
        READ_ERROR: the file or its folder can't be read.
        RECORDED: an earlier run finished the file, and it has not changed since.
        STORAGE: the file system refused to write the new file or to put it in place.
        TIMEOUT: the file took longer than the time limit.
        TOO_YOUNG: written so recently that it may be incomplete.
        UNSUPPORTED: valid, but exrbatch or the installed OpenEXR can't process it.
        UP_TO_DATE: the output is already what this run would make.
        VERIFICATION: the new file was read back and differs from the source.
        WRITE_PROTECTED: the file is write-protected.
    """

    ACES = "aces"
    ANOTHER_NAME = "another_name"
    BACKUP_EXISTS = "backup_exists"
    CHANGED = "changed"
    CRASHED = "crashed"
    DAMAGED = "damaged"
    DIFFERS = "differs"
    DONE_MEANWHILE = "done_meanwhile"
    HARD_LINKS = "hard_links"
    INTERNAL = "internal"
    LEFTOVER = "leftover"
    LINK = "link"
    LOSSY_SOURCE = "lossy_source"
    LOSSY_TARGET = "lossy_target"
    MEMORY = "memory"
    METADATA = "metadata"
    MISSING = "missing"
    NOT_A_FILE = "not_a_file"
    NOT_SELECTED = "not_selected"
    NO_SPACE = "no_space"
    OPEN_FOR_WRITING = "open_for_writing"
    OUTPUT_EXISTS = "output_exists"
    OUTPUT_PLACE = "output_place"
    READ_ERROR = "read_error"
    RECORDED = "recorded"
    STORAGE = "storage"
    TIMEOUT = "timeout"
    TOO_YOUNG = "too_young"
    UNSUPPORTED = "unsupported"
    UP_TO_DATE = "up_to_date"
    VERIFICATION = "verification"
    WRITE_PROTECTED = "write_protected"


class ExrbatchError(Exception):
    """Base class of every error that exrbatch raises on purpose.

    Attributes:
        message: one line that is safe to print; control characters are escaped.
        code: the reason, for scripts.
    """

    usual_code: ClassVar[ReasonCode] = ReasonCode.INTERNAL
    """The code of an error that was raised without one."""

    def __init__(self, message: str, *, code: ReasonCode | None = None) -> None:
        self.message = safe_text(message)
        self.code = self.usual_code if code is None else code
        super().__init__(self.message)


class InvalidFile(ExrbatchError):
    """The file is damaged or malformed. The message names the part, chunk or byte offset."""

    usual_code = ReasonCode.DAMAGED


class CorruptChunk(InvalidFile):
    """The content of a chunk does not fit its place in the file.

    Attributes:
        chunk: index of the chunk in the offset table, if the error comes from a codec; else None. A
            codec does not know at which byte the chunk lies, so the reader adds that.
    """

    def __init__(self, message: str, chunk: int | None = None) -> None:
        super().__init__(message)
        self.chunk = chunk


class UnsupportedFile(ExrbatchError):
    """The file is valid, but exrbatch leaves it alone. The message is the reason."""

    usual_code = ReasonCode.UNSUPPORTED


class NeedsMemory(UnsupportedFile):
    """The file needs more memory than this worker may use.

    It may be possible if no other file is in progress, because the worker can then use all memory.
    """

    usual_code = ReasonCode.MEMORY


class VerificationFailed(ExrbatchError):
    """The new file was read back and differs from the source: our fault, or that of the disk."""

    usual_code = ReasonCode.VERIFICATION


class SourceChanged(ExrbatchError):
    """The source was written to, replaced or removed while it was being recompressed."""

    usual_code = ReasonCode.CHANGED


class ReplaceFailed(ExrbatchError):
    """The file system refused to write the new file or to put it in place.

    Attributes:
        errno: error number of the system call, or None.
    """

    usual_code = ReasonCode.STORAGE

    def __init__(self, message: str, errno: int | None = None, *, code: ReasonCode | None = None) -> None:
        super().__init__(message, code=code)
        self.errno = errno


class RenameUncertain(ReplaceFailed):
    """A rename over an existing file reported an error, so it is unknown what the name stands for.

    After that, nothing is removed: neither the new file nor any other name of the original. The
    message says where they are.
    """


class NoSpace(ExrbatchError):
    """The disk has so little free space that the new file might fill it. Nothing was written."""

    usual_code = ReasonCode.NO_SPACE


class RunStopped(ExrbatchError):
    """A run over many files ended early: by a limit, or because it could not go on."""


class OptionsError(ExrbatchError, ValueError):
    """An option or argument is invalid: an unknown compression, a path that does not exist."""

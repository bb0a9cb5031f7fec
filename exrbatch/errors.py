"""The errors of exrbatch.

The class says where the cause lies: in the file, in exrbatch, on the disk, or in the options. The
message says what is wrong, where, and what can be done.
"""

from exrbatch.text import safe_text


class ExrbatchError(Exception):
    """Base class of every error that exrbatch raises on purpose.

    Attributes:
        message: one line that is safe to print; control characters are escaped.
    """

    def __init__(self, message: str) -> None:
        self.message = safe_text(message)
        super().__init__(self.message)


class InvalidFile(ExrbatchError):
    """The file is damaged or malformed. The message names the part, chunk or byte offset."""


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


class NeedsMemory(UnsupportedFile):
    """The file needs more memory than this worker may use.

    It may be possible if no other file is in progress, because the worker can then use all memory.
    """


class VerificationFailed(ExrbatchError):
    """The new file was read back and differs from the source: our fault, or that of the disk."""


class SourceChanged(ExrbatchError):
    """The source was written to, replaced or removed while it was being recompressed."""


class ReplaceFailed(ExrbatchError):
    """The file system refused to write the new file or to put it in place.

    Attributes:
        errno: error number of the system call, or None.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class RenameUncertain(ReplaceFailed):
    """A rename over an existing file reported an error, so it is unknown what the name stands for.

    After that, nothing is removed: neither the new file nor any other name of the original. The
    message says where they are.
    """


class NoSpace(ExrbatchError):
    """The disk has so little free space that the new file might fill it. Nothing was written."""


class RunStopped(ExrbatchError):
    """A run over many files ended early because the disk is full or workers keep dying."""


class OptionsError(ExrbatchError, ValueError):
    """An option or argument is invalid: an unknown compression, a path that does not exist."""

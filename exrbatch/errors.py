"""Whose fault it is decides the class; the message says what is wrong, where, and what can be done."""

from exrbatch.text import safe_text


class ExrbatchError(Exception):
    """Base of every error that exrbatch raises on purpose. Its message can be printed: control characters are escaped.

    Attributes:
        message: one line.
    """

    def __init__(self, message: str) -> None:
        self.message = safe_text(message)
        super().__init__(self.message)


class InvalidFile(ExrbatchError):
    """The bytes of the file are wrong; the message names the part, chunk or byte offset."""


class CorruptChunk(InvalidFile):
    """A chunk does not hold what its place in the file says that it holds.

    Attributes:
        chunk: its index in table order, from a codec, which does not know where the chunk lies.
    """

    def __init__(self, message: str, chunk: int | None = None) -> None:
        super().__init__(message)
        self.chunk = chunk


class UnsupportedFile(ExrbatchError):
    """The file is right, but exrbatch leaves it alone; the message is the reason."""


class NeedsMemory(UnsupportedFile):
    """The file needs more memory at once than this worker may use. Alone, with all of it, it may be possible."""


class VerificationFailed(ExrbatchError):
    """The new file, read back, does not hold the source's bytes: our fault or the disk's."""


class SourceChanged(ExrbatchError):
    """The source was written, replaced or removed while it was being recompressed."""


class ReplaceFailed(ExrbatchError):
    """The file system refused a step of writing or putting in place the new file.

    Attributes:
        errno: the system's number of what was wrong, or None.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class RenameUncertain(ReplaceFailed):
    """A rename over an existing file reported an error, and what the name stands for now can't be trusted.

    Nothing is removed after that: neither the new file nor any other name of the original. The message says where
    they are.
    """


class NoSpace(ExrbatchError):
    """The disk has so little room that the new file might fill it; nothing was written."""


class RunStopped(ExrbatchError):
    """A run over many files ended before its end, as going on made no sense: a full disk, workers that keep dying."""


class OptionsError(ExrbatchError, ValueError):
    """What was asked for makes no sense: an unknown compression, a path that does not exist."""

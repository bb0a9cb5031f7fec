"""Give a file back the compressions that it had before an earlier run, for `exrbatch undo`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exrbatch.errors import ReasonCode, SourceChanged, UnsupportedFile
from exrbatch.journal.facts import FileFacts, digest_of

if TYPE_CHECKING:
    from exrbatch.exr.reader import ExrFile
    from exrbatch.recompression.targets import Targets

SAME_BYTES = "restored byte for byte"
SAME_PICTURE = "restored with the same header and pixels, but not the same bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What a file was before an earlier run, and what it was after it.

    Attributes:
        compressions: name of each part's compression before that run.
        before: the state of the file before that run, with its digest.
        after: the state of the file after that run; its digest decides if the times differ.
    """

    compressions: tuple[str, ...]
    before: FileFacts
    after: FileFacts


def restore_targets(source: "ExrFile", restore: Restore) -> "Targets":
    """Choose the compressions that a file had before.

    Raises:
        SourceChanged: the file is not the one that the earlier run has made.
        UnsupportedFile: its samples are, or were, compressed with loss.
    """
    from exrbatch.exr.compression import Compression
    from exrbatch.recompression.targets import Targets

    parts = source.header.parts
    if len(parts) != len(restore.compressions) or not _is_as_left(source, restore):
        raise SourceChanged("changed since that run")
    try:
        compressions = tuple(Compression[name] for name in restore.compressions)
    except KeyError as error:
        raise UnsupportedFile(f"can't be undone: unknown compression {error}") from None
    for part, old in zip(parts, compressions, strict=True):
        for compression in (part.compression, old):
            if compression.lossy_channels(part.channels):
                reason = f"can't be undone: lossy ({compression.name})"
                raise UnsupportedFile(reason, code=ReasonCode.LOSSY_SOURCE)
    return Targets(compressions, lossy_channels=tuple(() for _ in parts))


def _is_as_left(source: "ExrFile", restore: Restore) -> bool:
    """Return whether a file is still the one that the earlier run left, or already the old one."""
    if restore.after.is_same_state(FileFacts.of(source.stat)):
        return True
    same_size = [each for each in (restore.after, restore.before) if each.size == source.stat.st_size]
    return bool(same_size) and digest_of(source.fd) in {each.xxh3_128 for each in same_size}


def outcome_note(restore: Restore, new_fd: int, digest: str | None) -> str:
    """Say how faithfully a file was restored.

    Args:
        restore: what it was before.
        new_fd: descriptor of the new file.
        digest: its XXH3-128, if that is known.
    """
    return SAME_BYTES if (digest or digest_of(new_fd)) == restore.before.xxh3_128 else SAME_PICTURE

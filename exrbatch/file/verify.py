"""The new file, read back from the disk: attributes equal, every raw byte equal."""

import contextlib
from collections.abc import Iterator, Sequence

from exrbatch.codecs.codec import Codec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.library import LibraryCodec
from exrbatch.codecs.table import codec_for
from exrbatch.errors import InvalidFile, UnsupportedFile, VerificationFailed
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Part
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.file.plan import Targets, Verify
from exrbatch.file.raw import RawReader, packed_streams
from exrbatch.file.recompress import Progress, target_group
from exrbatch.file.spans import cut_spans

CHANGED_ATTRIBUTES = ("compression", "chunkCount")


def verify(source: ExrFile, path: str, targets: Targets, mode: Verify, progress: Progress) -> None:
    """Prove that the file at `path` is `source` with other compressions, or raise `VerificationFailed`.

    Opens the file anew, compares the headers attribute by attribute, then reads the source a second time
    and compares every raw byte of every chunk. Channels that were allowed to change are passed over; all
    others must be exact. With `Verify.LIBRARY` flat data is unpacked by the OpenEXR library: a mistake in our
    own codecs can't hide behind itself.
    """
    with _blamed_on_the_copy():
        copy = open_exr(path)
    with copy:
        with _blamed_on_the_copy():
            _compare_headers(source, copy, targets.compressions)
        _compare_chunks(source, copy, targets, mode, progress)


@contextlib.contextmanager
def _blamed_on_the_copy() -> Iterator[None]:
    """Whatever is wrong with the bytes of the new file is our fault, not the user's."""
    try:
        yield
    except (InvalidFile, UnsupportedFile) as error:
        raise VerificationFailed(f"the new file is damaged: {error}") from None


def _compare_headers(source: ExrFile, copy: ExrFile, compressions: Sequence[Compression]) -> None:
    old, new = source.header, copy.header
    if (len(old.raw), old.flags, len(old.parts)) != (len(new.raw), new.flags, len(new.parts)):
        raise VerificationFailed("the new file's header has another length, other version flags or other parts")
    for ours, theirs, compression in zip(old.parts, new.parts, compressions, strict=True):
        _compare_attributes(ours, theirs)
        if theirs.compression is not compression:
            raise VerificationFailed(f"part {theirs.index} became {theirs.compression.name}, not {compression.name}")
        chunk_count = theirs.find("chunkCount")
        count = copy.parts[theirs.index].grid.count
        if chunk_count is not None and int.from_bytes(chunk_count.value, "little") != count:
            raise VerificationFailed(f"part {theirs.index}: chunkCount is not {count}")


def _compare_attributes(ours: Part, theirs: Part) -> None:
    if len(ours.attributes) != len(theirs.attributes):
        raise VerificationFailed(f"part {ours.index}: the new file has another number of attributes")
    for old, new in zip(ours.attributes, theirs.attributes, strict=True):
        if old != new and not (old.name == new.name and old.name in CHANGED_ATTRIBUTES):
            raise VerificationFailed(f"part {ours.index}: attribute {old.name!r} differs in the new file")


def _judge(part: Part, mode: Verify, lossy_channels: tuple[str, ...]) -> Codec:
    if lossy_channels or (mode is Verify.LIBRARY and not part.storage.is_deep):
        return LibraryCodec(part.compression, lossy_channels)
    return codec_for(part.compression, Effort.BALANCED)


def _compare_chunks(source: ExrFile, copy: ExrFile, targets: Targets, mode: Verify, progress: Progress) -> None:
    grids = [table.grid for table in copy.parts]
    pairs = zip(copy.header.parts, targets.lossy_channels, strict=True)
    codecs = [_judge(part, mode, lossy) for part, lossy in pairs]
    reader = RawReader(source)
    total = sum(grid.count for grid in grids)
    done = 0
    for span in cut_spans(source, grids):
        grid = grids[span.part]
        raw = reader.read(span.part, span.source)
        with _blamed_on_the_copy():
            payloads = copy.read_payloads(span.part, span.target)
            packed = packed_streams(grid, span.target, payloads)
            wrong = codecs[span.part].first_difference(target_group(span, grid, raw), packed, raw)
        if wrong is not None:
            raise VerificationFailed(f"{copy.parts[span.part].where(wrong)} of the new file holds other bytes")
        done += len(span.target)
        progress(done / total)

"""Two files compared: attributes equal, every raw byte equal; else where the first difference is."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence

from exrbatch.codecs.codec import ChunkGroup, Codec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.library import LibraryCodec
from exrbatch.codecs.registry import codecs_for
from exrbatch.errors import ExrbatchError, InvalidFile, UnsupportedFile, VerificationFailed
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Attribute, Part
from exrbatch.exr.payloads import PayloadReader
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.digests import Digests, digest
from exrbatch.recompression.first_difference import first_different_pixel
from exrbatch.recompression.lanes import Lanes, Walk
from exrbatch.recompression.raw_reader import RawReader, packed_streams
from exrbatch.recompression.spans import Span, cut_spans
from exrbatch.recompression.targets import beyond_library
from exrbatch.recompression.transcode import target_group

NEW, OTHER = "the new file", "the other file"
"""What the copy is called in messages: after a recompression, and in a comparison of two files of the user's."""
CHANGED_ATTRIBUTES = ("compression", "chunkCount")


def compare(walk: Walk, path: str, mode: Verify) -> str | None:
    """Say where the file at `path` differs from the walk's in more than its compression; None if it doesn't.

    Raises `VerificationFailed` where the file at `path` can't be read.
    """
    source = walk.source
    with blamed_on_the_copy(OTHER):
        copy = open_exr(path, source.raw_limit)
    with copy:
        with blamed_on_the_copy(OTHER):
            copy.parts  # noqa: B018  reads and checks the chunk tables
        difference = header_difference(source, copy)
        if difference is not None and not _is_same_picture(source, copy):
            return difference
        pixels = pixel_difference(walk, copy, [()] * len(source.parts), mode, name=OTHER)
    return "; ".join(filter(None, (difference, pixels))) or None


def is_same_picture(path: str, other: str) -> bool:
    """Whether two files hold the same header, but for the compression, and the same pixels; neither may be a link."""
    with contextlib.suppress(OSError, ExrbatchError):
        if stat.S_ISREG(os.lstat(path).st_mode) and stat.S_ISREG(os.lstat(other).st_mode):
            with open_exr(other) as original:
                return compare(Walk(original), path, Verify.NATIVE) is None
    return False


@contextlib.contextmanager
def blamed_on_the_copy(name: str = NEW) -> Iterator[None]:
    """Whatever is wrong with the bytes of the new file is our fault, not the user's."""
    try:
        yield
    except (InvalidFile, UnsupportedFile) as error:
        raise VerificationFailed(f"{name} is damaged: {error}") from None
    except OSError as error:
        raise VerificationFailed(f"{name} can't be read: {error.strerror}") from None


def header_difference(source: ExrFile, copy: ExrFile) -> str | None:
    """Say what differs between the headers besides what a recompression changes; None if nothing does."""
    old, new = source.header, copy.header
    if old.flags != new.flags:
        return f"its version flags are {new.flags:#x} instead of {old.flags:#x}"
    if len(old.parts) != len(new.parts):
        return f"it has {len(new.parts)} parts instead of {len(old.parts)}"
    for ours, theirs in zip(old.parts, new.parts, strict=True):
        if difference := _attribute_difference(ours, theirs):
            return difference
    return None


def _attribute_difference(ours: Part, theirs: Part) -> str | None:
    where = f"part {ours.index}, attribute"
    old, new = ([(each.name, each.type, _kept_value(each)) for each in part.attributes] for part in (ours, theirs))
    if old == new:
        return None
    names, other_names = [name for name, _, _ in old], [name for name, _, _ in new]
    ours_known, theirs_known = set(names), set(other_names)
    for name in names:
        if name not in theirs_known:
            return f"{where} {name!r} is missing"
    for name in other_names:
        if name not in ours_known:
            return f"{where} {name!r} is new"
    known = set(new)
    for attribute in old:
        if attribute not in known:
            return f"{where} {attribute[0]!r} has another value"
    return f"part {ours.index}: its attributes stand in another order"


def _kept_value(attribute: Attribute) -> bytes:
    """Return the value, but for attributes that a recompression changes."""
    return b"" if attribute.name in CHANGED_ATTRIBUTES else attribute.value


def _is_same_picture(source: ExrFile, copy: ExrFile) -> bool:
    """Whether the pixels can be compared at all."""
    old, new = source.header, copy.header
    return len(old.parts) == len(new.parts) and all(
        (ours.storage, ours.channels, ours.data_window, ours.tiles)
        == (theirs.storage, theirs.channels, theirs.data_window, theirs.tiles)
        for ours, theirs in zip(old.parts, new.parts, strict=True)
    )


def choose_decoders(
    parts: Sequence[Part], compressions: Sequence[Compression], mode: Verify, lossy_channels: Sequence[tuple[str, ...]]
) -> list[Codec]:
    """Choose the decoder of each part: the library, unless the user or the kind of the part says otherwise."""
    decoders = codecs_for(compressions, Effort.BALANCED)
    for index, (part, compression, lossy) in enumerate(zip(parts, compressions, lossy_channels, strict=True)):
        by_library = mode is Verify.LIBRARY and not part.storage.is_deep and not beyond_library(part, compression)
        if lossy or by_library:
            with contextlib.suppress(UnsupportedFile):  # older than the compression, which our own code knows
                decoders[index] = LibraryCodec(compression, lossy)
    return decoders


def pixel_difference(
    walk: Walk,
    copy: ExrFile,
    lossy_channels: Sequence[tuple[str, ...]],
    mode: Verify,
    *,
    digests: Digests | None = None,
    name: str = NEW,
) -> str | None:
    """Say where the raw bytes of two files with equal pictures differ first; None if they don't.

    Holds one span of each at a time, or one more than there are threads.

    Args:
        walk: over the first file.
        copy: the second file.
        lossy_channels: by part, those that may differ.
        mode: which decoder reads the second file.
        digests: of the first file, which then is read again only where its bytes are needed.
        name: what the second file is called in messages.
    """
    source = walk.source
    grids = [table.grid for table in copy.parts]
    parts = copy.header.parts
    compressions = [part.compression for part in parts]

    def make_comparer() -> _Comparer:
        return _Comparer(source, copy, choose_decoders(parts, compressions, mode, lossy_channels), name)

    def compare_span(comparer: _Comparer, item: tuple[int, Span]) -> tuple[Span, bool]:
        index, span = item
        known = None if digests is None or lossy_channels[span.part] else digests[index]
        return comparer.compare(span, known)

    total = sum(grid.count for grid in grids)
    done = 0
    for span, is_equal in Lanes(make_comparer, walk.threads).map(compare_span, enumerate(cut_spans(source, grids))):
        if not is_equal:
            return _place(source, copy, span, lossy_channels[span.part], name)
        done += len(span.target)
        walk.progress(done / total)
    return None


class _Comparer:
    """Compares spans of two open files; each thread that does needs one of its own."""

    def __init__(self, source: ExrFile, copy: ExrFile, decoders: Sequence[Codec], name: str) -> None:
        self._raw, self._payloads = RawReader(source), PayloadReader(copy)
        self._grids = [table.grid for table in copy.parts]
        self._decoders = decoders
        self._name = name

    def compare(self, span: Span, known: bytes | None) -> tuple[Span, bool]:
        """Say whether a span is equal; `known`: the digest of the source's raw bytes, for a decoder that can use it."""
        decoder = self._decoders[span.part]
        if known is not None and isinstance(decoder, LibraryCodec):
            with blamed_on_the_copy(self._name):
                packed, _ = self._packed(span)
                return span, digest(
                    decoder.unpacked(ChunkGroup.of(self._grids[span.part], span.target), packed)
                ) == known
        raw = self._raw.read(span.part, span.source)
        group = target_group(span, self._grids[span.part], raw)
        with blamed_on_the_copy(self._name):
            packed, samples_size = self._packed(span)
            is_other_size = group.part.storage.is_deep and samples_size != group.sizes[1]
            return span, not is_other_size and decoder.first_difference(group, packed, raw) is None

    def _packed(self, span: Span) -> tuple[list[memoryview], int]:
        """Read the packed streams of the copy; and of a deep chunk how many raw bytes of samples it claims."""
        payloads = self._payloads.read(span.part, span.target)
        return packed_streams(self._grids[span.part], span.target, payloads), payloads[0].raw_size


def _place(source: ExrFile, copy: ExrFile, span: Span, lossy_channels: tuple[str, ...], name: str) -> str:
    """Say where in the picture a span of the copy differs."""
    raw = RawReader(source).read(span.part, span.source)
    with blamed_on_the_copy(name):
        other = RawReader(copy).read(span.part, span.target)
    group = target_group(span, copy.parts[span.part].grid, raw)
    place = first_different_pixel(group, raw, other, lossy_channels)
    if place is None:
        return f"{copy.parts[span.part].where(span.target[0])} or after: OpenEXR unpacks something else than was packed"
    return place

"""Compare two files by their attributes and every raw byte, and find the first difference."""

import contextlib
import functools
import os
import stat
from collections.abc import Iterator, Sequence

from exrbatch.codecs.codec import ChunkGroup, Codec, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.library import LibraryCodec
from exrbatch.codecs.registry import codec_for
from exrbatch.errors import ExrbatchError, InvalidFile, UnsupportedFile, VerificationFailed
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import CHANGED_ATTRIBUTES, Attribute, Part
from exrbatch.exr.payloads import PayloadReader
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.digests import Digests, digest, digest_by_library, digest_of_contents
from exrbatch.recompression.first_difference import first_different_pixel
from exrbatch.recompression.lanes import Lanes, Walk
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import Span, cut_spans
from exrbatch.recompression.targets import beyond_library
from exrbatch.recompression.transcode import target_group

NEW, OTHER = "the new file", "the other file"
"""Name of the second file in messages: after a recompression, and if a user compares files."""


def compare(walk: Walk, path: str, mode: Verify) -> str | None:
    """Return where two files differ in more than their compression, or None if they do not.

    Args:
        walk: the walk over the first file.
        path: path of the second file.
        mode: which decoder decompresses the second file.

    Raises:
        VerificationFailed: the second file is damaged or can't be read.
        InvalidFile: the first file is damaged.
    """
    source = walk.source
    with blamed_on_the_copy(OTHER):
        copy = open_exr(path, source.raw_limit)
    with copy:
        with blamed_on_the_copy(OTHER):
            copy.parts  # noqa: B018  reads and checks the chunk tables
        difference = header_difference(source, copy)
        if difference is not None and not _has_same_shape(source, copy):
            return difference
        pixels = pixel_difference(walk, copy, [()] * len(source.parts), mode, name=OTHER)
    return "; ".join(filter(None, (difference, pixels))) or None


def is_same_picture(path: str, other: str) -> bool:
    """Return whether two files have the same pixels and the same header.

    The compressions may differ. Return False if one of them is a symbolic link or can't be read.
    """
    with contextlib.suppress(OSError, ExrbatchError):
        if stat.S_ISREG(os.lstat(path).st_mode) and stat.S_ISREG(os.lstat(other).st_mode):
            with open_exr(other) as original:
                return compare(Walk(original), path, Verify.NATIVE) is None
    return False


@contextlib.contextmanager
def blamed_on_the_copy(name: str = NEW) -> Iterator[None]:
    """Turn an error about the second file into `VerificationFailed`.

    After a recompression, an error in the bytes of the new file is our fault, not the user's.

    Args:
        name: name of the second file in messages.
    """
    try:
        yield
    except (InvalidFile, UnsupportedFile) as error:
        raise VerificationFailed(f"{name} is damaged: {error}") from None
    except OSError as error:
        raise VerificationFailed(f"{name} can't be read: {error.strerror}") from None


def header_difference(source: ExrFile, copy: ExrFile) -> str | None:
    """Return how two headers differ, or None; ignore what a recompression changes."""
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
            return f"{where} {name!r} was added"
    known = set(new)
    for attribute in old:
        if attribute not in known:
            return f"{where} {attribute[0]!r} has a different value"
    return f"part {ours.index}: its attributes are in a different order"


def _kept_value(attribute: Attribute) -> bytes:
    """Return the value of an attribute, or nothing if a recompression may change it."""
    return b"" if attribute.name in CHANGED_ATTRIBUTES else attribute.value


def _has_same_shape(source: ExrFile, copy: ExrFile) -> bool:
    """Return whether the parts of two files have the same shape, so that pixels can be compared."""
    old, new = source.header, copy.header
    return len(old.parts) == len(new.parts) and all(
        (ours.storage, ours.channels, ours.data_window, ours.tiles)
        == (theirs.storage, theirs.channels, theirs.data_window, theirs.tiles)
        for ours, theirs in zip(old.parts, new.parts, strict=True)
    )


def choose_decoders(
    parts: Sequence[Part], compressions: Sequence[Compression], mode: Verify, lossy_channels: Sequence[tuple[str, ...]]
) -> list[Codec]:
    """Choose the decoder that verifies each part. Parts of the same kind share one.

    If `mode` is LIBRARY, the OpenEXR library decodes every flat part that it can process and that
    is compressed; of uncompressed ones, the bytes themselves are compared. Whatever the mode, it
    also decodes parts with lossy channels, because only `LibraryCodec` can ignore those channels.
    All other parts are decoded by the codec of their compression.

    Args:
        parts: the parts.
        compressions: compression of each part.
        mode: which decoder the user wants.
        lossy_channels: for each part, names of the channels that may differ.

    Returns:
        the decoder of each part.
    """
    made: dict[tuple[Compression, tuple[str, ...], bool], Codec] = {}
    keys = []
    for part, compression, lossy in zip(parts, compressions, lossy_channels, strict=True):
        by_library = mode is Verify.LIBRARY and not part.storage.is_deep and not beyond_library(part, compression)
        keys.append((compression, lossy, bool(lossy) or by_library))
        if keys[-1] not in made:
            made[keys[-1]] = _decoder(*keys[-1])
    return [made[key] for key in keys]


def _decoder(compression: Compression, lossy: tuple[str, ...], by_library: bool) -> Codec:
    if by_library:
        with contextlib.suppress(UnsupportedFile):  # if the installed OpenEXR is too old, our own codec decodes
            return LibraryCodec(compression, lossy)
    return codec_for(compression, Effort.BALANCED)


def pixel_difference(
    walk: Walk,
    copy: ExrFile,
    lossy_channels: Sequence[tuple[str, ...]],
    mode: Verify,
    *,
    digests: Digests | None = None,
    name: str = NEW,
) -> str | None:
    """Return where the raw bytes of two files first differ, or None if they do not.

    The parts of the two files must have the same shape. With one thread, this holds one span of
    each file in memory at a time; with several, one span more than there are threads.

    Args:
        walk: the walk over the first file.
        copy: the second file.
        lossy_channels: for each part, names of the channels that may differ.
        mode: which decoder decompresses the second file.
        digests: digests of the first file's spans, or None. With digests, a span of the first file
            is read again only if its bytes are needed.
        name: name of the second file in messages.
    """
    source = walk.source
    grids = [table.grid for table in copy.parts]
    parts = copy.header.parts
    compressions = [part.compression for part in parts]

    def make_comparer() -> _Comparer:
        return _Comparer(source, copy, choose_decoders(parts, compressions, mode, lossy_channels), name)

    def compare_span(comparer: _Comparer, item: tuple[int, Span]) -> tuple[Span, bool]:
        index, span = item
        known = None
        if digests is not None and digests.is_known(span.part) and not lossy_channels[span.part]:
            known = digests[index]
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
    """Compares spans of two open files. Each thread needs a comparer of its own."""

    def __init__(self, source: ExrFile, copy: ExrFile, decoders: Sequence[Codec], name: str) -> None:
        self._source, self._copy = source, copy
        self._payloads = PayloadReader(copy)
        self._grids = [table.grid for table in copy.parts]
        self._decoders = decoders
        self._name = name

    @functools.cached_property
    def _source_reader(self) -> RawReader:
        return RawReader(self._source)

    @functools.cached_property
    def _copy_reader(self) -> RawReader:
        return RawReader(self._copy)

    def compare(self, span: Span, known: bytes | None) -> tuple[Span, bool]:
        """Compare one span; return it, and whether it is equal in both files.

        Args:
            span: the span.
            known: digest of the source's span, of the kind that `Digests` has for the part's
                decoder, or None. If it is given, the source is not read again.
        """
        if known is not None:
            with blamed_on_the_copy(self._name):
                return span, self._digest(span) == known
        raw = self._source_reader.read(span.part, span.source)
        group = target_group(span, self._grids[span.part], raw)
        with blamed_on_the_copy(self._name):
            streams = self._payloads.read(span.part, span.target)
            is_other_size = group.part.storage.is_deep and streams.samples_size != group.sizes[1]
            decoder = self._decoders[span.part]
            return span, not is_other_size and decoder.first_difference(group, streams.packed, raw) is None

    def _digest(self, span: Span) -> bytes:
        """Return the digest of a span of the copy, of the kind that `Digests` has."""
        grid, decoder = self._grids[span.part], self._decoders[span.part]
        if grid.part.compression is Compression.NONE:  # nothing to decompress
            return digest(self._copy_reader.read(span.part, span.target))
        streams = self._payloads.read(span.part, span.target)
        group = ChunkGroup.of(grid, span.target, streams.samples_size)
        if isinstance(decoder, StreamCodec):
            return digest_of_contents(decoder, group, streams.packed)
        assert isinstance(decoder, LibraryCodec), "all other codecs work stream by stream"
        return digest_by_library(decoder, group, streams.packed)


def _place(source: ExrFile, copy: ExrFile, span: Span, lossy_channels: tuple[str, ...], name: str) -> str:
    """Return where in the picture the first difference in a span is."""
    raw = RawReader(source).read(span.part, span.source)
    with blamed_on_the_copy(name):
        other = RawReader(copy).read(span.part, span.target)
    group = target_group(span, copy.parts[span.part].grid, raw)
    place = first_different_pixel(group, raw, other, lossy_channels)
    if place is None:
        return f"{copy.parts[span.part].where(span.target[0])} or after: OpenEXR decompresses other bytes than exrbatch"
    return place

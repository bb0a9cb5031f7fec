"""A new file verified: read back, and shown to hold the source with other compressions."""

from collections.abc import Sequence

from exrbatch.errors import VerificationFailed
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import blamed_on_the_copy, header_difference, pixel_difference
from exrbatch.recompression.digests import Digests
from exrbatch.recompression.lanes import Walk
from exrbatch.recompression.targets import Targets


def verify(
    walk: Walk,
    new: tuple[str, int],
    targets: Targets,
    mode: Verify,
    digests: Digests | None = None,
) -> None:
    """Prove that a new file is the walk's file with other compressions, or raise `VerificationFailed`.

    Compares the headers attribute by attribute, then every raw byte of every chunk with the source, which is read a
    second time, or with `digests` of what was read the first time. Channels that were allowed to change are passed
    over; all others must be equal. With `Verify.LIBRARY` flat data is decompressed by the OpenEXR library: a mistake in
    our own codecs can't hide behind itself.

    Args:
        walk: over the source.
        new: path and descriptor of the new file.
        targets: what its parts were to become.
        mode: which decoder reads it.
        digests: of the source's spans.
    """
    source = walk.source
    path, fd = new
    with blamed_on_the_copy():
        copy = open_exr(path, source.raw_limit, fd)
    with copy:
        with blamed_on_the_copy():
            copy.parts  # noqa: B018  reads and checks the chunk tables
        difference = header_difference(source, copy) or _wrong_targets(copy, targets.compressions)
        difference = difference or pixel_difference(walk, copy, targets.lossy_channels, mode, digests=digests)
    if difference is not None:
        raise VerificationFailed(f"the new file differs: {difference}")


def _wrong_targets(copy: ExrFile, compressions: Sequence[Compression]) -> str | None:
    for part, table, compression in zip(copy.header.parts, copy.parts, compressions, strict=True):
        if part.compression is not compression:
            return f"part {part.index} became {part.compression.name}, not {compression.name}"
        chunk_count = part.find("chunkCount")
        if chunk_count is not None and int.from_bytes(chunk_count.value, "little") != table.grid.count:
            return f"part {part.index}: chunkCount is not {table.grid.count}"
    return None

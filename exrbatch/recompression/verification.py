"""Verify a new file: read it back, and prove that it is the source with other compressions."""

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
    """Prove that a new file is the source with other compressions.

    The headers are compared attribute by attribute. Then every raw byte of every chunk is compared
    with the source. For that, the source is read a second time, or `digests` from the first time
    are used. Channels that were allowed to change are ignored; all others must be equal.

    With `Verify.LIBRARY`, the OpenEXR library decompresses flat data. So our own codecs are not
    checked by themselves, which could hide a mistake. Uncompressed chunks need no codec.

    Args:
        walk: the walk over the source.
        new: path and descriptor of the new file.
        targets: the compressions that the new file must have.
        mode: which decoder decompresses the new file.
        digests: digests of the source's spans, or None.

    Raises:
        VerificationFailed: the new file differs, is damaged or can't be read.
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
    """Return which part has a wrong compression or `chunkCount`, or None."""
    for part, table, compression in zip(copy.header.parts, copy.parts, compressions, strict=True):
        if part.compression is not compression:
            return f"part {part.index} became {part.compression.name}, not {compression.name}"
        if part.chunk_count not in (None, table.grid.count):
            return f"part {part.index}: chunkCount is not {table.grid.count}"
    return None

"""Find OpenEXRCore, the C library inside the OpenEXR wheel, and test whether it may be used.

`OpenEXR.File` works with numpy arrays of a whole tiny file. To get the raw bytes of a chunk, it
reads the file through Python, splits the channels into new arrays, and we join them again; to
compress, the other way round. The C interface (`openexr_coders`) works with the raw bytes
themselves. `OpenEXR.File` calls the same functions, so the two accept the same chunks and return
the same bytes.

This path is optional. Nothing here decides about a chunk: whatever does not go as expected raises
`NotDone`, and the caller asks `OpenEXR.File` instead. The path does not exist (`find_core` returns
None) unless the wheel exports the functions, its release is one that was tested, and a self-test
passes.
"""

import dataclasses
import functools
import zlib

import numpy as np

from exrbatch.codecs.codec import Raw
from exrbatch.codecs.openexr_coders import Compressor, Core, Decompressor, Image, NotDone
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.compression import Compression

TESTED_RELEASES = (3, 5, 3), (3, 5, 4)
"""First release of OpenEXR that is used, and first that is not.

`OpenEXR.File` reads from memory since 3.5.0. Before 3.5.3, JPEG 2000 and ZSTD don't say how many
bytes they decompressed, and what damaged DWA chunks gave depended on the memory before. Widen this
only after `tests/codecs/test_openexr_core.py` has passed with the release.
"""


@functools.cache
def find_core(path: str, release: str) -> Core | None:
    """Return the C library, or None if it must not be used.

    Args:
        path: path of the extension module of OpenEXR.
        release: its release, which that of the C library must equal.
    """
    try:
        core = Core(path)
    except (AttributeError, OSError):
        return None
    first, end = TESTED_RELEASES
    is_tested = first <= core.release() < end and ".".join(map(str, core.release())) == release
    return core if is_tested and passes_self_test(core) else None


def passes_self_test(core: Core) -> bool:
    """Return whether a few chunks are processed correctly, and damaged ones are refused.

    The image has three channels and two chunks, of which the second is shorter and stored raw.
    """
    channels = tuple(Channel(name, kind, 1, 1) for name, kind in zip("ABC", PixelType, strict=True))
    image = Image(channels, Compression.ZIP, width=5, height=20, is_tiled=False)
    raw = (np.arange(20 * 5 * 10, dtype=np.uint32) ** 2 >> 7).astype(np.uint8)
    lines, rest = raw[:800], raw[800:]
    packed = _deflated(lines)
    return (
        _gives(core, image, 0, packed, lines)
        and _gives(core, image, 16, rest.tobytes(), rest)
        and _gives(core, dataclasses.replace(image, is_tiled=True), 0, _deflated(raw), raw)
        and not _gives(core, image, 0, packed[:-8], lines)
        and not _gives(core, image, 0, _deflated(lines[:-2]), lines)
        and _comes_back(core, dataclasses.replace(image, compression=Compression.RLE), raw)
    )


def _deflated(raw: Raw) -> bytes:
    """Compress raw bytes as ZIP does: the even bytes, then the odd ones, as differences."""
    content = np.concatenate([raw[::2], raw[1::2]])
    content[1:] -= content[:-1] - np.uint8(128)
    return zlib.compress(content.tobytes())


def _gives(core: Core, image: Image, line: int, packed: bytes, expected: Raw) -> bool:
    """Return whether a chunk is decompressed to the expected bytes, and nothing else is changed."""
    raw = np.zeros_like(expected)
    try:
        with Decompressor(core, image) as decompressor:
            decompressor.decompress(line, packed, raw)
    except NotDone:
        return False
    return raw.tobytes() == expected.tobytes() and decompressor.is_guard_intact


def _comes_back(core: Core, image: Image, raw: Raw) -> bool:
    """Return whether two lines are compressed, and decompressed to the same bytes again."""
    lines = np.repeat(raw[10:14], 25).reshape(2, 50)
    before = lines.tobytes()
    try:
        with Compressor(core, image) as compressor:
            packed = [bytes(compressor.compress(number, line)) for number, line in enumerate(lines)]
    except NotDone:
        return False
    is_intact = compressor.is_guard_intact and lines.tobytes() == before
    return is_intact and all(
        len(each) < 50 and _gives(core, image, number, each, line)
        for number, (each, line) in enumerate(zip(packed, lines, strict=True))
    )

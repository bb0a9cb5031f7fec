"""What was read, remembered as digests: so that it need not be read and unpacked again to be compared."""

import xxhash

from exrbatch.codecs.codec import Raw


class Digests:
    """The XXH3 digest, 128 bits, of the raw bytes of each span of a file, in the order of `cut_spans`.

    30 GB/s, a tenth of what reading and comparing an uncompressed frame again costs. Two different spans share a digest
    once in 2^128, far more rarely than memory fails.
    """

    def __init__(self) -> None:
        self._digests = bytearray()

    def __len__(self) -> int:
        return len(self._digests) // 16

    def add(self, raw: Raw) -> None:
        """Remember the next span."""
        self._digests += xxhash.xxh3_128_digest(raw.data)

    def holds(self, index: int, raw: Raw) -> bool:
        """Whether these are the raw bytes of the span that was added as number `index`."""
        return self._digests[16 * index : 16 * index + 16] == xxhash.xxh3_128_digest(raw.data)

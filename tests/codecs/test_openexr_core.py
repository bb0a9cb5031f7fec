"""The C interface of OpenEXR against `OpenEXR.File`: the same bytes, and the same refusals.

Where the installed release is not one that may be used, most of this is skipped. To try a new
release, widen `TESTED_RELEASES` first.
"""

import gc
import random
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np
import OpenEXR
import psutil
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, CorruptChunk, Status, recompress
from exrbatch.codecs import library, openexr_core, openexr_groups, openexr_structures
from exrbatch.codecs.codec import ChunkGroup, Packed, Raw
from exrbatch.codecs.library import LibraryCodec
from exrbatch.codecs.openexr_coders import Compressor, Core, Decompressor, Image, NotDone
from exrbatch.codecs.zip import ZipCodec
from exrbatch.errors import UnsupportedFile
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.header import parse_header
from exrbatch.exr.payloads import PayloadReader
from exrbatch.exr.reader import open_exr
from tests.codecs.test_library import smooth, write
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.specs import channel_lists, windows
from tests.test_reference_images import IMAGES, images

CORE = openexr_core.find_core(OpenEXR.__file__, OpenEXR.OPENEXR_VERSION)
needs_core = pytest.mark.skipif(CORE is None, reason="this release of OpenEXR is not used through its C interface")
COLOURS = tuple((name, 1, 1, 1) for name in "ABGR")
LONG = "a_layer_name_that_is_longer_than_31_bytes.Z"
SPECS = {
    "scan lines": PartSpec(channels=COLOURS, window=(0, 0, 99, 299), noise=0.02),
    "offset window": PartSpec(channels=(("Y", 1, 1, 1), (LONG, 2, 1, 1)), window=(-33, -70, 17, 130), noise=0.02),
    "many channels": PartSpec(channels=tuple((f"{n:02}", n % 3, 1, 1) for n in range(23)), window=(0, 0, 30, 70)),
    "subsampled": PartSpec(channels=(("BY", 1, 2, 2), ("RY", 2, 2, 2), ("Y", 1, 1, 1)), window=(-4, -6, 59, 93)),
    "tiles": PartSpec(storage="tiledimage", channels=COLOURS, window=(3, 5, 100, 90), tiles=(32, 24, 0, 0)),
    "mip levels": PartSpec(storage="tiledimage", window=(0, 0, 70, 50), tiles=(16, 16, 1, 1), noise=0.02),
    "rip levels": PartSpec(storage="tiledimage", window=(0, 0, 30, 20), tiles=(8, 16, 2, 0), noise=0.02),
}


def by_file(compression: Compression) -> LibraryCodec:
    """Make a codec that does not use the C interface."""
    codec = LibraryCodec(compression)
    codec._fast = None
    return codec


def make_group(spec: PartSpec, compression: Compression, limit: int = 1 << 14) -> tuple[ChunkGroup, Raw]:
    """Return all chunks that a part would have, and their raw bytes: smooth here, noisy there."""
    data = build([spec])
    grid = chunk_grid(parse_header(data, len(data)).parts[0], compression)
    group = ChunkGroup.of(grid, range(min(limit, grid.count)))
    noise = np.random.default_rng(spec.seed).random(group.raw_size // 2)
    x = np.arange(group.raw_size // 2)
    samples = 15000 + 900 * np.sin(x / 300) + np.where(x // 4096 % 3 == 0, noise * 2000, x // 64 % 9)
    return group, samples.astype("<u2").view(np.uint8)


def pack(group: ChunkGroup, raw: Raw, compression: Compression) -> list[memoryview]:
    try:
        return [memoryview(bytearray(each)) for each in LibraryCodec(compression).pack(group, raw)]
    except UnsupportedFile as error:
        pytest.skip(str(error))


def through_core(group: ChunkGroup, packed: Sequence[memoryview], compression: Compression, fill: int = 0) -> Raw:
    """Decompress through the C interface alone."""
    raw = np.full(group.raw_size, fill, np.uint8)
    for _ in LibraryCodec(compression)._decompressed(group, packed, raw):
        pass
    return raw


@needs_core
@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("compression", Compression)
def test_gives_what_openexr_file_gives(compression: Compression, kind: str) -> None:
    """All at once, chunk by chunk, in reverse order, hashed, and compared."""
    group, raw = make_group(SPECS[kind], compression)
    packed = pack(group, raw, compression)
    expected = np.zeros_like(raw)
    by_file(compression).unpack(group, packed, expected)
    assert through_core(group, packed, compression).tobytes() == expected.tobytes()
    codec = LibraryCodec(compression)
    for index in range(len(packed) - 1, -1, -max(1, len(packed) // 20)):
        alone = ChunkGroup.of(group.grid, [index])
        start = sum(group.sizes[:index])
        (one,) = codec._decompressed(alone, [packed[index]])
        assert one.tobytes() == expected[start : start + len(one)].tobytes()
    backwards = ChunkGroup.of(group.grid, range(len(packed) - 1, -1, -1))
    pieces = [each.raw.tobytes() for each in group.split(expected)]
    assert through_core(backwards, packed[::-1], compression).tobytes() == b"".join(pieces[::-1])
    seen = codec.hash_raw(group, packed, xxhash.xxh3_128)
    assert seen.digest() == by_file(compression).hash_raw(group, packed, xxhash.xxh3_128).digest()
    assert seen.digest() == xxhash.xxh3_128_digest(expected.data)
    assert codec.first_difference(group, packed, expected) is None
    expected[-1] ^= 1
    assert codec.first_difference(group, packed, expected) == group.chunks[-1]


@needs_core
@examples(50)
@given(
    compression=st.sampled_from(Compression),
    tiled=st.booleans(),
    data=st.data(),
    seed=st.integers(0, 1 << 30),
)
def test_small_images_of_any_kind(compression: Compression, tiled: bool, data: st.DataObject, seed: int) -> None:
    tiles = (data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20)), data.draw(st.integers(0, 2)), 1)
    spec = PartSpec(
        storage="tiledimage" if tiled else "scanlineimage",
        channels=data.draw(channel_lists(subsampled=not tiled)),
        window=data.draw(windows(x=6, y=6)),
        tiles=tiles if tiled else None,
        seed=seed,
    )
    group, raw = make_group(spec, compression)
    try:
        packed = [memoryview(bytes(each)) for each in by_file(compression).pack(group, raw)]
        expected = np.zeros_like(raw)
        by_file(compression).unpack(group, packed, expected)
    except (UnsupportedFile, CorruptChunk):
        return  # not a matter of this path
    if 0 not in group.sizes:
        assert through_core(group, packed, compression).tobytes() == expected.tobytes()


@needs_core
@pytest.mark.parametrize("number", range(IMAGES))
def test_reference_images(reference_images: Path, number: int) -> None:
    """Every flat part, as it is in the file."""
    with open_exr(str(images(reference_images)[number])) as file:
        for index, table in enumerate(file.parts):
            part, grid = file.header.parts[index], table.grid
            if part.storage.is_deep:
                continue
            chunks = range(min(grid.count, 300))
            group = ChunkGroup.of(grid, chunks)
            packed = PayloadReader(file).read(index, chunks).packed
            expected = np.zeros(group.raw_size, np.uint8)
            by_file(part.compression).unpack(group, packed, expected)
            assert through_core(group, packed, part.compression).tobytes() == expected.tobytes()


COMPRESSED_BY_CORE = sorted(openexr_groups._WITHOUT_LEVEL)


def compressed_by_core(group: ChunkGroup, raw: Raw, compression: Compression) -> list[bytes]:
    """Compress through the C interface alone."""
    codec = LibraryCodec(compression)._fast
    assert codec is not None
    return [bytes(each) for each in codec.compress(group, raw)]


@needs_core
@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("compression", COMPRESSED_BY_CORE)
def test_compresses_to_what_openexr_file_writes(compression: Compression, kind: str) -> None:
    """All at once, and chunk by chunk in reverse order; the raw bytes stay as they are."""
    group, raw = make_group(SPECS[kind], compression)
    before = raw.tobytes()
    try:
        expected = [bytes(each) for each in by_file(compression).pack(group, raw)]
    except UnsupportedFile as error:
        pytest.skip(str(error))
    assert compressed_by_core(group, raw, compression) == expected
    assert raw.tobytes() == before
    streams = group.split(raw)
    for index in range(len(expected) - 1, -1, -max(1, len(expected) // 20)):
        alone = ChunkGroup.of(group.grid, [index])
        assert compressed_by_core(alone, streams[index].raw, compression) == [expected[index]]


@needs_core
@examples(50)
@given(
    compression=st.sampled_from(COMPRESSED_BY_CORE),
    data=st.data(),
    is_noise=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
def test_compresses_small_images_of_any_kind(
    compression: Compression, data: st.DataObject, is_noise: bool, seed: int
) -> None:
    """Noise is mostly stored raw."""
    tiles = data.draw(st.none() | st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2), st.just(1)))
    spec = PartSpec(
        storage="scanlineimage" if tiles is None else "tiledimage",
        channels=data.draw(channel_lists(subsampled=tiles is None)),
        window=data.draw(windows(x=6, y=6)),
        tiles=tiles,
        seed=seed,
    )
    group, raw = make_group(spec, compression)
    if is_noise:
        raw = np.random.default_rng(seed).integers(0, 256, len(raw), np.uint8)
    try:
        expected = [bytes(each) for each in by_file(compression).pack(group, raw)]
    except UnsupportedFile:
        return  # not a matter of this path
    if 0 not in group.sizes:
        assert compressed_by_core(group, raw, compression) == expected


@needs_core
@pytest.mark.parametrize("compression", sorted(set(Compression) - set(COMPRESSED_BY_CORE)))
def test_does_not_compress_where_a_level_matters(compression: Compression) -> None:
    group, raw = make_group(SPECS["scan lines"], compression)
    with pytest.raises(NotDone):
        compressed_by_core(group, raw, compression)


def damage(packed: bytearray, rng: random.Random) -> bytearray:
    """Flip bits, overwrite bytes, spoil the checksum at the end, cut off, or append."""
    kind = rng.randrange(6)
    place = rng.randrange(len(packed))
    if kind < 2:
        packed[place] ^= 1 << rng.randrange(8)
    elif kind == 2:
        packed[-1 - place % 4 % len(packed)] ^= rng.randrange(1, 256)
    elif kind == 3:
        packed[place : place + 4] = rng.randbytes(len(packed[place : place + 4]))
    elif kind == 4:
        del packed[max(1, place) :]
    else:
        packed += rng.randbytes(rng.randrange(1, 20))
    return packed


def outcome(
    codec: LibraryCodec, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw
) -> tuple[str, int | None] | None:
    """Decompress, and return the error and its chunk, if any."""
    try:
        codec.unpack(group, packed, raw)
    except CorruptChunk as error:
        return str(error), error.chunk
    return None


@needs_core
@pytest.mark.parametrize("kind", ["scan lines", "tiles", "many channels"])
@pytest.mark.parametrize("compression", [each for each in Compression if each is not Compression.NONE])
def test_refuses_every_damage_that_openexr_file_refuses(
    compression: Compression, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both refuse a chunk, or both return the same bytes, and neither prints anything."""
    rng = random.Random(compression)
    group, raw = make_group(SPECS[kind], compression, limit=3)
    packed = pack(group, raw, compression)
    accepted = 0
    for _ in range(60):
        broken = list(packed)
        index = rng.randrange(len(packed))
        broken[index] = memoryview(damage(bytearray(packed[index]), rng))
        expected = np.full_like(raw, 1)
        refusal = outcome(by_file(compression), group, broken, expected)
        if refusal is None:
            accepted += 1
            assert through_core(group, broken, compression, fill=2).tobytes() == expected.tobytes()
            continue
        with pytest.raises(NotDone):
            through_core(group, broken, compression)
        assert outcome(LibraryCodec(compression), group, broken, raw.copy()) == refusal
    assert accepted < 60
    assert capfd.readouterr() == ("", "")


@needs_core
def test_finds_wrong_checksums_short_streams_and_impossible_sizes() -> None:
    group, raw = make_group(SPECS["scan lines"], Compression.ZIP, limit=1)
    (sound,) = pack(group, raw, Compression.ZIP)
    shorter = openexr_core._deflated(raw[:-2])
    wrong_sum = bytes(sound[:-1]) + bytes([sound[-1] ^ 1])
    for bad in (wrong_sum, sound[:-1], shorter, b"", raw.tobytes() + b"\0"):
        with pytest.raises(NotDone):
            through_core(group, [memoryview(bad)], Compression.ZIP)


@needs_core
def test_damaged_file_fails_with_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "frame.exr"
    write(path, Compression.PIZ, smooth())
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data)):
        data[place] ^= 0xFF
    path.write_bytes(data)
    reasons = []
    for core in (CORE, None):
        monkeypatch.setattr(openexr_core, "find_core", lambda *_, core=core: core)
        report = recompress(path, "zip")
        reasons.append((report.status, report.reason))
    assert reasons[0] == reasons[1]
    assert reasons[0][0] is Status.FAILED


@needs_core
def test_is_used_for_sources_targets_and_verification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("not through the C interface")

    path = tmp_path / "frame.exr"
    write(path, Compression.PIZ, smooth())
    monkeypatch.setattr(LibraryCodec, "_read", fail)
    monkeypatch.setattr(library, "_write", fail)
    monkeypatch.setattr(ZipCodec, "unpack", fail)
    for target in ("zip", "htj2k32", "none", "rle", "piz"):
        assert recompress(path, target, force=True).status is Status.RECOMPRESSED


def test_every_compression_works_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openexr_core, "find_core", lambda *_: None)
    path = tmp_path / "frame.exr"
    write(path, Compression.PIZ, smooth())
    for target in ("zip", "htj2k32", "zips", "rle", "none"):
        assert recompress(path, target, force=True).status is Status.RECOMPRESSED


@pytest.fixture
def fresh() -> Any:
    """Return `find_core` without its cache, and empty the cache afterwards."""
    yield openexr_core.find_core.__wrapped__
    openexr_core.find_core.cache_clear()


@needs_core
def test_missing_function_or_library(fresh: Callable[..., Core | None], monkeypatch: pytest.MonkeyPatch) -> None:
    assert fresh("/does/not/exist.so", OpenEXR.OPENEXR_VERSION) is None
    assert fresh(__file__, OpenEXR.OPENEXR_VERSION) is None
    monkeypatch.setitem(openexr_structures.ARGUMENTS, "exr_no_such_function", ())
    assert fresh(OpenEXR.__file__, OpenEXR.OPENEXR_VERSION) is None


@needs_core
@pytest.mark.parametrize("release", [(3, 3, 14), (3, 4, 17), (3, 5, 2), (3, 5, 4), (3, 6, 0), (4, 0, 0)])
def test_unknown_release(
    fresh: Callable[..., Core | None], monkeypatch: pytest.MonkeyPatch, release: tuple[int, ...]
) -> None:
    monkeypatch.setattr(Core, "release", lambda _: release)
    assert fresh(OpenEXR.__file__, ".".join(map(str, release))) is None


@needs_core
def test_library_of_another_release_than_the_binding(fresh: Callable[..., Core | None]) -> None:
    assert fresh(OpenEXR.__file__, OpenEXR.OPENEXR_VERSION) is not None
    assert fresh(OpenEXR.__file__, "3.5.2") is None


@needs_core
@pytest.mark.parametrize(
    "flaw",
    ["wrong bytes", "accepts damage", "larger structure", "errors", "short result", "compress"],
)
def test_failing_self_test(fresh: Callable[..., Core | None], monkeypatch: pytest.MonkeyPatch, flaw: str) -> None:
    real = Core.run

    def run(self: Core, name: str, *arguments: Any) -> None:
        if flaw == "errors":
            raise NotDone(name)
        real(self, name, *arguments)

    def decompress(self: Decompressor, line: int, packed: Any, raw: Raw) -> None:
        whole = (np.arange(1000, dtype=np.uint32) ** 2 >> 7).astype(np.uint8)
        raw[:] = {800: whole[:800], 200: whole[800:], 1000: whole}[len(raw)]
        if flaw == "wrong bytes":
            raw[0] ^= 1
        if flaw == "larger structure":
            self._pipeline.guard[0] ^= 1

    def compress(self: Compressor, line: int, raw: Raw) -> Packed:
        packed = real_compress(self, line, raw)
        if flaw == "larger structure to compress":
            self._pipeline.guard[0] ^= 1
        return packed if flaw != "short result" else bytes(packed)[:-1]

    real_compress = Compressor.compress
    monkeypatch.setattr(Core, "run", run)
    if flaw in ("larger structure to compress", "short result"):
        monkeypatch.setattr(Compressor, "compress", compress)
    elif flaw != "errors":
        monkeypatch.setattr(Decompressor, "decompress", decompress)
    assert fresh(OpenEXR.__file__, OpenEXR.OPENEXR_VERSION) is None


@needs_core
@pytest.mark.parametrize("change", [{"width": 7}, {"height": 3}, {"channels": ()}, {"width": 1 << 31}, {"height": 0}])
def test_nothing_is_written_if_sizes_disagree(change: dict[str, Any]) -> None:
    """The buffer stays as it was, and the library is not even asked."""
    assert CORE is not None
    image = Image((Channel("A", PixelType.HALF, 1, 1),), Compression.ZIP, 8, 16, is_tiled=False)
    wrong = Image(**{name: getattr(image, name) for name in image.__slots__} | change)
    raw = np.full(256, 7, np.uint8)
    with pytest.raises(NotDone), Decompressor(CORE, wrong) as decompressor:
        decompressor.decompress(0, openexr_core._deflated(raw), raw)
    assert (raw == 7).all()


@needs_core
def test_memory_does_not_grow() -> None:
    """Sound and damaged groups, thousands of times."""
    cases = []
    for compression in (Compression.ZIP, Compression.PIZ, Compression.ZSTD, Compression.HTJ2K32, Compression.PXR24):
        group, raw = make_group(SPECS["tiles"], compression, limit=4)
        packed = pack(group, raw, compression)
        cases.append((LibraryCodec(compression), group, [packed, [*packed[:-1], packed[-1][: len(packed[-1]) // 2]]]))

    kinds = (Compression.PIZ, Compression.RLE, Compression.HTJ2K32)
    to_compress = [(LibraryCodec(each), *make_group(SPECS["tiles"], each, limit=4)) for each in kinds]

    def work(times: int) -> int:
        for _ in range(times):
            for codec, group, variants in cases:
                for packed in variants:
                    try:
                        for _ in codec._decompressed(group, packed):
                            pass
                    except NotDone:
                        pass
            for compressor, group, raw in to_compress:
                compressor.pack(group, raw)
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    before = work(100)
    assert work(400) - before < 8 << 20


@needs_core
def test_threads_work_side_by_side() -> None:
    groups = {each: make_group(SPECS["tiles"], each) for each in (Compression.ZIP, Compression.PIZ, Compression.ZSTD)}
    packed = {each: pack(group, raw, each) for each, (group, raw) in groups.items()}
    wrong: list[object] = []

    def work(compression: Compression) -> None:
        group, raw = groups[compression]
        codec = LibraryCodec(compression)
        for _ in range(30):
            if codec.first_difference(group, packed[compression], raw) is not None:
                wrong.append(compression)
            if compression is Compression.PIZ and codec.pack(group, raw) != packed[compression]:
                wrong.append("compressed")

    threads = [threading.Thread(target=work, args=(each,)) for each in [*groups] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class Interrupted(Exception):
    """Raised by a signal handler."""


@needs_core
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_signal_handlers_that_raise_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python code runs inside the library, so no exception is lost there; damage included."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    group, raw = make_group(SPECS["tiles"], Compression.ZIP, limit=6)
    sound = pack(group, raw, Compression.ZIP)
    damaged = [*sound[:-1], sound[-1][: len(sound[-1]) // 2]]
    raised = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal raised
        raised += 1
        raise Interrupted

    codec, caught = LibraryCodec(Compression.ZIP), 0
    previous = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # hypothesis has a callback in the collector, which loses exceptions
    try:
        for delay in range(1, 400):
            try:
                signal.setitimer(signal.ITIMER_REAL, delay * 5e-6)
                for _ in range(50):
                    for packed in (sound, damaged):
                        try:
                            for _ in codec._decompressed(group, packed):
                                pass
                        except NotDone:
                            pass
            except Interrupted:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        gc.enable()
    assert not lost
    assert caught == raised > 100


@needs_core
def test_streams_are_back_after_an_error_of_the_caller(capfd: pytest.CaptureFixture[str]) -> None:
    """JPEG 2000 prints, so standard output is captured while chunks are decompressed."""

    class Full:
        def update(self, _data: object, /) -> None:
            raise MemoryError

    group, raw = make_group(SPECS["tiles"], Compression.HTJ2K32, limit=3)
    packed = pack(group, raw, Compression.HTJ2K32)
    with pytest.raises(MemoryError) as caught:
        LibraryCodec(Compression.HTJ2K32).hash_raw(group, packed, Full)
    print("still here", flush=True)
    assert caught.value.__traceback__ is not None
    assert capfd.readouterr().out == "still here\n"


def test_does_not_ask_an_openexr_without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen program may have no file for the module."""
    bare = SimpleNamespace(OPENEXR_VERSION=OpenEXR.OPENEXR_VERSION, File=OpenEXR.File)
    monkeypatch.setattr(library, "_library", lambda: bare)
    assert LibraryCodec(Compression.PIZ)._fast is None

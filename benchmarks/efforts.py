"""What effort buys: size and packing speed of each compression at each effort.

    python -m benchmarks.efforts CORPUS [-c zip,zstd]

Packs the first frame of each class of CORPUS (a folder made by benchmarks.corpus) in this process and prints, per
class, packed over raw bytes, and CPU seconds against ZIP at balanced effort: ratios of one run. Only packing is
timed, no files.
"""

import argparse
import time
from pathlib import Path

from exrbatch.codecs.codec import ChunkGroup
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.table import codec_for
from exrbatch.exr.compression import NEAREST_DEEP, Compression
from exrbatch.exr.reader import open_exr
from exrbatch.file.raw import RawReader
from exrbatch.file.recompress import target_grids
from exrbatch.file.spans import cut_spans


def pack_frame(path: Path, wanted: Compression, effort: Effort) -> tuple[int, int, float]:
    """Pack all of a one-part file; return raw bytes, packed bytes and CPU seconds of packing."""
    with open_exr(str(path)) as source:
        part = source.header.parts[0]
        target = NEAREST_DEEP[wanted] if part.storage.is_deep else wanted
        (grid,) = target_grids(source, [target])
        codec, reader = codec_for(target, effort), RawReader(source)
        raw_size, packed_size, seconds = 0, 0, 0.0
        for span in cut_spans(source, [grid]):
            raw = reader.read(0, span.source)
            group = ChunkGroup.of(grid, span.target, len(raw) - int(grid.raw_sizes[span.target[0]]))
            start = time.process_time()
            packed = codec.pack(group, raw)
            seconds += time.process_time() - start
            raw_size += len(raw)
            packed_size += sum(map(len, packed))
        return raw_size, packed_size, seconds


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("-c", "--compressions", default="zip,zips,zstd,rle,piz,htj2k32,htj2k256")
    arguments = parser.parse_args()
    frames = [min(folder.iterdir()) for folder in sorted(arguments.corpus.iterdir()) if folder.is_dir()]
    print("packed / raw bytes, then CPU time against ZIP balanced (smaller is better for both)")
    print(f"{'':<20}" + "".join(f"{frame.parent.name:>18}" for frame in frames))
    base = {frame: pack_frame(frame, Compression.ZIP, Effort.BALANCED)[2] for frame in frames}
    for name in arguments.compressions.split(","):
        compression = Compression[name.upper()]
        efforts = list(Effort) if name in ("zip", "zips", "zstd") else [Effort.BALANCED]
        for effort in efforts:
            cells = []
            for frame in frames:
                raw, packed, seconds = pack_frame(frame, compression, effort)
                cells.append(f"{packed / raw:>10.4f} x{seconds / base[frame]:<6.2f}")
            print(f"{name + ' ' + effort:<20}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()

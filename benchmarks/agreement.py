"""Check that `exrbatch bench` ranks compressions like a plain clock around the OpenEXR library.

    python -m benchmarks.agreement IMAGES [-c piz,pxr24,...] [--passes 5]

Compresses the flat single-part scan line files below IMAGES in two ways, in the same interleaved
passes: in memory as the benchmark does it, and with `OpenEXR.File` into a stream in memory, after
the pixels have been read. Prints CPU seconds in ascending order for each way.
"""

import argparse
import io
import time
from pathlib import Path

import OpenEXR

from exrbatch.bench.passes import Statistic, interleaved
from exrbatch.errors import ExrbatchError
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Storage
from exrbatch.exr.reader import open_exr
from exrbatch.jobs import job
from exrbatch.jobs.measure_job import MeasureJob, MeasureRules
from exrbatch.recompression.choices import Permissions


def plain_files(folder: Path) -> list[str]:
    """Return the files that `OpenEXR.File` can write: flat scan lines, one part, no subsampling."""
    found = []
    for path in sorted(folder.rglob("*.exr")):
        try:
            with open_exr(str(path)) as file:
                channels = file.header.parts[0].channels
                storages = [part.storage for part in file.header.parts]
        except ExrbatchError:
            continue
        if storages == [Storage.SCAN_LINE] and all(each.x_sampling == each.y_sampling == 1 for each in channels):
            found.append(str(path))
    return found


def bench_seconds(paths: list[str], compression: Compression) -> float:
    """Compress files as the benchmark does, and return the CPU seconds."""
    seconds = 0.0
    for path in paths:
        permissions = Permissions(include_lossy_sources=True, allow_lossy=True)
        task = MeasureJob(source=path, rules=MeasureRules(compression=compression, permissions=permissions))
        measurement = job.run(task).measurement
        assert measurement is not None, f"{path}: {job.run(task).reason}"
        seconds += measurement.cpu_seconds
    return seconds


def library_seconds(paths: list[str], compression: Compression) -> float:
    """Compress files with the OpenEXR library alone, and return the CPU seconds."""
    seconds = 0.0
    for path in paths:
        with OpenEXR.File(path, separate_channels=True) as file:
            part = file.parts[0]
            part.header["compression"] = OpenEXR.Compression(int(compression))
            start = time.process_time()
            file.write(io.BytesIO())
            seconds += time.process_time() - start
    return seconds


def main() -> None:
    """Parse arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("-c", "--compressions", default="piz,pxr24,htj2k32,htj2k256,b44,dwaa")
    parser.add_argument("--passes", type=int, default=5)
    arguments = parser.parse_args()
    compressions = [Compression[name.upper()] for name in arguments.compressions.split(",")]
    paths = plain_files(arguments.images)
    ways = {"bench": bench_seconds, "library": library_seconds}
    trials = [(way, compression) for way in ways for compression in compressions]
    seconds: dict[tuple[str, Compression], list[float]] = {trial: [] for trial in trials}
    for number, (way, compression) in interleaved(trials, arguments.passes, warm_up=trials):
        taken = ways[way](paths, compression)
        if number:
            seconds[way, compression].append(taken)
    print(f"{len(paths)} files, median CPU seconds of {arguments.passes} passes")
    for way in ways:
        figures = {each: Statistic.of(seconds[way, each]) for each in compressions}
        order = sorted(figures, key=lambda each: figures[each].median)
        print(f"{way:<10}" + "  <  ".join(f"{each.name} {figures[each].median:.3f}" for each in order))


if __name__ == "__main__":
    main()

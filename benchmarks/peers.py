"""Compare the whole program with its peers on the same files and the same compression.

    python -m benchmarks.peers CORPUS [--passes 5] [--jobs 2] [--only exrbatch,file-pool]
        [--source zip] [--target zips] [--classes plate_2k,cg_2k]

CORPUS is a folder made by benchmarks.corpus. The passes are interleaved, and `--jobs` files are
processed at a time. Each contestant gets a fresh copy of the files per pass, on the same disk.
exrbatch replaces files in place, with sync and verification. The peers write a new file beside the
old one and rename it, without sync or verification. exrmetrics takes part if it is on PATH.

`limit` is not a real contestant. It is the time that the bare deflate library needs for the same
filtered chunks in as many processes, without reading, filtering and writing.

Prints median seconds and spread (distance of the quartiles), the median ratio of speeds within a
pass, and bytes in total and by class. The statistics are those of `exrbatch bench`.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import deflate

from exrbatch.bench.passes import Statistic, interleaved, paired_ratio
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.predictor import Predictor
from exrbatch.codecs.zip import LIBDEFLATE_LEVEL
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.compression import NEAREST_DEEP, Compression
from exrbatch.exr.reader import open_exr
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import cut_spans
from exrbatch.recompression.transcode import target_group

Contestant = Callable[[list[Path], int, str], float | None]
"""A function that recompresses files. Its arguments are the files, the number of files at a time, and
the compression. It returns the seconds that count, or None if its wall time counts."""


def exrbatch(*options: str) -> Contestant:
    """Return a contestant: our command line, including the start of the interpreter."""

    def run(paths: list[Path], jobs: int, target: str) -> None:
        command = [sys.executable, "-m", "exrbatch", "recompress", "-q", "-c", target, *options, "-j", str(jobs)]
        subprocess.run([*command, *map(str, paths)], check=True, stdout=subprocess.DEVNULL)

    return run


def file_pool(paths: list[Path], jobs: int, target: str) -> None:
    """Read and write files with `OpenEXR.File` in a pool of processes."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        list(pool.map(_through_file, paths, [possible(path, target) for path in paths]))


def possible(path: Path, target: str) -> str:
    """Return the compression for a file: `target`, or for deep data the nearest legal one."""
    return NEAREST_DEEP[Compression[target.upper()]].name.lower() if path.parent.name == "deep" else target


def _through_file(path: Path, target: str) -> None:
    import OpenEXR

    beside = path.with_suffix(".new")
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            part.header["compression"] = OpenEXR.Compression(int(Compression[target.upper()]))
        file.write(str(beside))
    beside.replace(path)


def oiiotool(paths: list[Path], jobs: int, target: str) -> None:
    """Run one oiiotool process per file, `jobs` at a time, with one thread each."""
    tool = shutil.which("oiiotool", path=str(Path(sys.executable).parent)) or "oiiotool"

    def convert(path: Path) -> None:
        beside = path.with_name(f"new_{path.name}")
        compression = possible(path, target)
        command = [tool, "--threads", "1", str(path), "--compression", compression, "-o", str(beside)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        beside.replace(path)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(convert, paths))


def oiiotool_threads(paths: list[Path], jobs: int, target: str) -> None:
    """Run one oiiotool process per file, one after the other, with `jobs` threads each."""
    tool = shutil.which("oiiotool", path=str(Path(sys.executable).parent)) or "oiiotool"
    for path in paths:
        beside = path.with_name(f"new_{path.name}")
        compression = possible(path, target)
        command = [tool, "--threads", str(jobs), str(path), "--compression", compression, "-o", str(beside)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        beside.replace(path)


def exrmetrics(paths: list[Path], jobs: int, target: str) -> None:
    """Run one exrmetrics process per file, `jobs` at a time."""

    def convert(path: Path) -> None:
        beside = path.with_name(f"new_{path.name}")
        compression = possible(path, target)
        subprocess.run(
            ["exrmetrics", "--convert", "-z", compression, str(path), "-o", str(beside)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        beside.replace(path)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(convert, paths))


def limit(paths: list[Path], jobs: int, _target: str) -> float:
    """Run nothing but deflate, at OpenEXR's level. The target is always ZIP (ZIPS for deep data).

    Returns:
        The seconds spent in deflate in all processes, divided by the number of processes.
    """
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(_deflate_only, paths)) / jobs


def _deflate_only(path: Path) -> float:
    predictor = Predictor()
    with open_exr(str(path)) as source:
        compressions = [Compression.ZIPS if part.storage.is_deep else Compression.ZIP for part in source.header.parts]
        grids = [chunk_grid(part, target) for part, target in zip(source.header.parts, compressions, strict=True)]
        reader = RawReader(source)
        seconds = 0.0
        for span in cut_spans(source, grids):
            raw = reader.read(span.part, span.source)
            group = target_group(span, grids[span.part], raw)
            filtered = [predictor.forward(stream.raw).tobytes() for stream in group.split(raw) if len(stream.raw)]
            start = time.perf_counter()
            for data in filtered:
                deflate.zlib_compress(data, LIBDEFLATE_LEVEL[Effort.BALANCED])
            seconds += time.perf_counter() - start
    return seconds


CONTESTANTS: dict[str, Contestant] = {
    "file-pool": file_pool,
    "exrbatch": exrbatch(),
    "exrbatch-native": exrbatch("--verify", "native"),
    "exrbatch-none": exrbatch("--verify", "none"),
    "exrbatch-fast": exrbatch("--effort", "fast"),
    "exrbatch-fast-native": exrbatch("--effort", "fast", "--verify", "native"),
    "exrbatch-max": exrbatch("--effort", "max"),
    "limit": limit,
    "oiiotool": oiiotool,
    "oiiotool-threads": oiiotool_threads,
} | ({"exrmetrics": exrmetrics} if shutil.which("exrmetrics") else {})


def prepared(corpus: Path, source: str, classes: str) -> Path:
    """Copy classes of the corpus, and compress the copies.

    Args:
        corpus: folder of the corpus.
        source: compression of the copies; empty to leave them as they are.
        classes: names of classes, separated by commas; empty for all.

    Returns:
        The folder of the copies.
    """
    folder = corpus.parent / f"{corpus.name}.source"
    shutil.rmtree(folder, ignore_errors=True)
    for name in classes.split(",") if classes else sorted(path.name for path in corpus.iterdir()):
        shutil.copytree(corpus / name, folder / name)
    if source:
        command = [sys.executable, "-m", "exrbatch", "recompress", "-q", "--force", "-c", source, str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def measure(corpus: Path, passes: int, jobs: int, names: list[str], target: str) -> None:
    """Run the passes, and print the table.

    Args:
        corpus: folder of the files.
        passes: number of passes.
        jobs: number of files that are processed at a time.
        names: the contestants; ratios are relative to the first.
        target: compression to recompress to.
    """
    seconds: dict[str, dict[int, float]] = {name: {} for name in names}
    sizes: dict[str, dict[str, int]] = {name: {} for name in names}
    work = corpus.parent / f"{corpus.name}.work"
    for number, name in interleaved(names, passes, warm_up=[]):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(corpus, work)
        subprocess.run(["sync"], check=True)
        paths = sorted(work.rglob("*.exr"))
        start = time.perf_counter()
        own = CONTESTANTS[name](paths, jobs, target)
        seconds[name][number] = time.perf_counter() - start if own is None else own
        for folder in work.iterdir():
            sizes[name][folder.name] = sum(path.stat().st_size for path in folder.iterdir())
    shutil.rmtree(work, ignore_errors=True)
    print_table({name: [taken for _, taken in sorted(seconds[name].items())] for name in names}, sizes)


def print_table(seconds: dict[str, list[float]], sizes: dict[str, dict[str, int]]) -> None:
    """Print speeds and sizes relative to the first contestant.

    Args:
        seconds: seconds of each pass, by contestant.
        sizes: bytes by contestant and class.
    """
    base = next(iter(seconds))
    kinds = sorted(sizes[base])
    print(f"speed and sizes against {base}; a speed above 1 is faster")
    print(f"{'':<22}{'median s':>9}{'spread':>8}{'speed':>8}{'size':>9}" + "".join(f"{kind:>10}" for kind in kinds))
    for name, taken in seconds.items():
        figure = Statistic.of(taken)
        speed = paired_ratio(seconds[base], taken)
        total = sum(sizes[name].values()) / sum(sizes[base].values())
        by_kind = "".join(f"{sizes[name][kind] / sizes[base][kind]:>10.4f}" for kind in kinds)
        print(f"{name:<22}{figure.median:>9.2f}{figure.spread:>8.0%}{speed:>8.2f}{total:>9.4f}{by_kind}", flush=True)


def main() -> None:
    """Parse arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--only",
        default=",".join(name for name in CONTESTANTS if name != "exrbatch-max"),
        help="contestants; the first is the base of the ratios (default: all but exrbatch-max, which takes minutes)",
    )
    parser.add_argument(
        "--source", default="", help="compression of the files before the benchmark (default: as they are)"
    )
    parser.add_argument("--target", default="zip")
    parser.add_argument("--classes", default="", help="only these folders of the corpus")
    arguments = parser.parse_args()
    folder = prepared(arguments.corpus, arguments.source, arguments.classes)
    measure(folder, arguments.passes, arguments.jobs, arguments.only.split(","), arguments.target)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Compare the whole program with its peers on the same files and the same compression.

    python -m benchmarks.peers CORPUS [--passes 5] [--jobs 2] [--only exrbatch,file-pool]
        [--source zip] [--target zips] [--classes renders,photos]

CORPUS is a folder made by benchmarks.corpus. The passes are interleaved, and `--jobs` files are
processed at a time. Each class is measured by itself, with a fresh copy for each contestant and
pass, on the same disk. exrbatch replaces files in place, with sync and verification. The peers
write a new file beside the old one and rename it, without sync or verification. exrmetrics takes
part if it is on PATH.

Prints the CPU seconds of all processes (benchmarks.usage) and the wall time, as ratios to the first
contestant; above 1 is faster. Each figure is the median over the passes. Also prints the ratio of
the sizes. `total` adds up the classes of a pass.
"""

import argparse
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from benchmarks.usage import measured
from exrbatch.bench.passes import Statistic, interleaved, paired_ratio
from exrbatch.exr.compression import NEAREST_DEEP, Compression

Contestant = Callable[[list[Path], int, str], None]
"""A function that recompresses files. Its arguments: paths, number of jobs, target compression."""


def exrbatch(*options: str) -> Contestant:
    """Return a contestant: our command line, including the start of the interpreter."""

    def run(paths: list[Path], jobs: int, target: str) -> None:
        command = [
            sys.executable,
            "-m",
            "exrbatch",
            "recompress",
            "-q",
            "--force",
            "-c",
            target,
            *options,
            "-j",
            str(jobs),
        ]
        subprocess.run([*command, *map(str, paths)], check=True, stdout=subprocess.DEVNULL, env=_as_installed())

    return run


def _as_installed() -> dict[str, str]:
    """Return an environment in which Python keeps compiled modules, as after an installation."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


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


CONTESTANTS: dict[str, Contestant] = {
    "file-pool": file_pool,
    "exrbatch": exrbatch(),
    "exrbatch-native": exrbatch("--verify", "native"),
    "exrbatch-none": exrbatch("--verify", "none"),
    "exrbatch-fast": exrbatch("--effort", "fast"),
    "exrbatch-fast-native": exrbatch("--effort", "fast", "--verify", "native"),
    "exrbatch-high": exrbatch("--effort", "high"),
    "exrbatch-max": exrbatch("--effort", "max"),
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


@dataclass(slots=True)
class Result:
    """The figures of one contestant for one class of files.

    Attributes:
        cpu: CPU seconds of all processes, for each pass.
        wall: wall time in seconds, for each pass.
        size: size of the new files in bytes.
    """

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    size: int = 0


Results = dict[str, dict[str, Result]]
"""Results by class, then by contestant."""


def measure(corpus: Path, passes: int, jobs: int, names: list[str], target: str) -> None:
    """Run the passes, and print the tables.

    Args:
        corpus: folder with a folder of files for each class.
        passes: number of passes.
        jobs: number of files that are processed at a time.
        names: the contestants; ratios are relative to the first.
        target: compression to recompress to.
    """
    kinds = sorted(path.name for path in corpus.iterdir())
    results: Results = {kind: {name: Result() for name in names} for kind in kinds}
    work = corpus.parent / f"{corpus.name}.work"
    for _, name in interleaved(names, passes, warm_up=[]):
        for kind in kinds:
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(corpus / kind, work / kind)
            subprocess.run(["sync"], check=True)
            paths = sorted(work.rglob("*.exr"))
            usage = measured(functools.partial(CONTESTANTS[name], paths, jobs, target))
            result = results[kind][name]
            result.cpu.append(usage.cpu)
            result.wall.append(usage.wall)
            result.size = sum(path.stat().st_size for path in (work / kind).iterdir())
    shutil.rmtree(work, ignore_errors=True)
    print_tables(with_total(results, names))


def with_total(results: Results, names: list[str]) -> Results:
    """Return the results with a class `total` added, which is the sum of all classes."""
    totals = {}
    for name in names:
        each = [kind[name] for kind in results.values()]
        cpu = [sum(values) for values in zip(*(result.cpu for result in each), strict=True)]
        wall = [sum(values) for values in zip(*(result.wall for result in each), strict=True)]
        totals[name] = Result(cpu, wall, sum(result.size for result in each))
    return results | {"total": totals}


def print_tables(results: Results) -> None:
    """Print speeds and sizes relative to the first contestant, for each class and in total."""
    names = list(next(iter(results.values())))
    base = names[0]
    print(f"against {base}; a speed above 1 is faster")
    print(f"{'':<22}{'':<8}" + "".join(f"{kind:>13}" for kind in results))
    for name in names:
        for what in ("cpu", "wall"):
            ratios = [paired_ratio(getattr(kind[base], what), getattr(kind[name], what)) for kind in results.values()]
            print(f"{name if what == 'cpu' else '':<22}{what:<8}" + "".join(f"{ratio:>13.2f}" for ratio in ratios))
        sizes = [kind[name].size / kind[base].size for kind in results.values()]
        print(f"{'':<22}{'size':<8}" + "".join(f"{size:>13.4f}" for size in sizes), flush=True)
    seconds = [Statistic.of(kind[base].cpu) for kind in results.values()]
    print(f"{base:<22}{'CPU s':<8}" + "".join(f"{each.median:>13.2f}" for each in seconds))
    print(f"{'':<22}{'spread':<8}" + "".join(f"{each.spread:>13.0%}" for each in seconds))


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

"""A fuzzer for the readers, to be run by hand; pytest does not collect it.

    python -m tests.fuzz --seconds 600                   mutations of files that the tests build
    python -m tests.fuzz --seconds 600 --corpus FOLDER   and of the EXR files below a folder
    python -m tests.fuzz --check FOLDER                  read each file below a folder as it is

Each case is read from end to end in a child process. Only an `ExrbatchError` may come out, within
20 seconds and 512 MB. Files that do worse are written to a folder (`--findings`), named by seed and
case; `--check` reads them again. A seed gives the same cases each time.
"""

import argparse
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from exrbatch import Compression, Status, recompress
from tests.support.build import PartSpec, build
from tests.support.mutate import Mutator
from tests.support.watch import Outcome, Watched

CHANNELS = (("A", 1, 1, 1), ("B", 1, 1, 1), ("G", 1, 1, 1), ("R", 1, 1, 1), ("Z", 2, 1, 1), ("id", 0, 1, 1))
SUBSAMPLED = (("BY", 1, 2, 2), ("RY", 1, 2, 2), ("Y", 1, 1, 1), ("Z", 2, 1, 2))
CASES_OF_A_CHILD = 1000
"""Cases for one child; memory that one case leaves must not count as the cost of another."""
MOST_CORPUS_BYTES = 1 << 20
"""Larger files of a corpus are passed over: they take long, and show no more."""


def flat_seeds() -> dict[str, bytes]:
    """Flat files whose pixels any codec can pack."""
    window = (-4, -6, 27, 65)
    seeds = {
        "scan": build([PartSpec(channels=CHANNELS, window=window, noise=0.1)]),
        "subsampled": build([PartSpec(channels=SUBSAMPLED, window=window, line_order=1)]),
    }
    for mode, name in enumerate(("one", "mip", "rip")):
        spec = PartSpec(storage="tiledimage", channels=CHANNELS, window=window, tiles=(16, 16, mode, mode % 2))
        seeds[f"tiled {name}"] = build([spec])
    return seeds


def deep_seeds() -> dict[str, bytes]:
    """Deep files, and one of several parts."""
    deep = PartSpec(storage="deepscanline", channels=CHANNELS[3:], window=(0, 0, 9, 7), compression=2)
    tiled = [
        PartSpec(storage="deeptile", channels=CHANNELS[3:], window=(0, 0, 19, 12), tiles=(8, 8, mode, 0), compression=2)
        for mode in range(3)
    ]
    flat = [
        PartSpec(storage="tiledimage", window=(0, 0, 30, 20), tiles=(16, 16, 1, 0), compression=3, name="a"),
        PartSpec(channels=CHANNELS, window=(0, 0, 30, 20), compression=1, name="b"),
    ]
    seeds = {"deep scan": build([deep]), "parts": build([deep, tiled[1], *flat], interleave=True)}
    return seeds | {f"deep tiled {mode}": build([spec]) for mode, spec in enumerate(tiled)}


def seeds(folder: Path) -> dict[str, bytes]:
    """Every kind of file in every compression that it can have."""
    found = {}
    path = folder / "seed.exr"
    for name, data in (flat_seeds() | deep_seeds()).items():
        for target in Compression:
            if not target.facts.deep and "deep" in name:
                continue
            path.write_bytes(data)
            report = recompress(path, target, force=True, allow_lossy=True)
            assert report.status is Status.RECOMPRESSED, f"{name} as {target.name}: {report.reason}"
            found[f"{name}, {target.name}"] = path.read_bytes()
    return found


def corpus(folder: Path) -> dict[str, bytes]:
    """The smaller EXR files below a folder, by path."""
    files = sorted(path for path in folder.rglob("*.exr") if "Damaged" not in path.parts)
    return {str(path): path.read_bytes() for path in files if path.stat().st_size <= MOST_CORPUS_BYTES}


class Tally:
    """Counts outcomes and keeps findings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ends: Counter[str] = Counter()
        self.findings = 0
        self.most = 0

    def add(self, outcome: Outcome, label: str, name: str, data: bytes | None) -> None:
        """Note an outcome; a finding's bytes are kept under `name`."""
        self.ends[outcome.error or "read"] += 1
        self.most = max(self.most, outcome.grown)
        if outcome.is_finding:
            self.findings += 1
            words = f"{label}: {outcome.error or 'read'}: {outcome.words[:200]} ({outcome.grown >> 20} MB)"
            print(f"FINDING {name}: {words}", flush=True)
            if data is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / f"{name}.exr").write_bytes(data)
                (self._folder / f"{name}.txt").write_text(words + "\n")

    def summary(self) -> str:
        """One line."""
        ends = ", ".join(f"{name} {count}" for name, count in self.ends.most_common())
        return f"{self.ends.total()} cases, {self.findings} findings, at most {self.most >> 20} MB; {ends}"


def fuzz(seed: int, seconds: float, folder: Path | None, findings: Path) -> int:
    """Read mutated files until the time is over; return the number of findings."""
    tally = Tally(findings)
    with tempfile.TemporaryDirectory() as scratch, Watched() as watched:
        sources = seeds(Path(scratch)) | (corpus(folder) if folder else {})
        mutators: dict[str, Mutator] = {name: Mutator(data) for name, data in sources.items()}
        print(f"seed {seed}, {len(mutators)} files to mutate", flush=True)
        path = os.path.join(scratch, "case.exr")
        end, told = time.monotonic() + seconds, time.monotonic()
        for case in range(1 << 62):
            if time.monotonic() > end:
                break
            rng = random.Random(f"{seed}:{case}")
            source = rng.choice(list(mutators))
            data, ways = mutators[source].mutate(rng)
            Path(path).write_bytes(data)
            tally.add(watched.read(path), f"{source}: {' '.join(ways)}", f"seed-{seed}-case-{case}", data)
            if case % CASES_OF_A_CHILD == CASES_OF_A_CHILD - 1:
                watched.restart()
            if time.monotonic() > told + 60:
                told = time.monotonic()
                print(tally.summary(), flush=True)
    print(tally.summary())
    return tally.findings


def check(folder: Path) -> int:
    """Read each file of a folder in a child of its own; return the number of findings."""
    tally = Tally(folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with Watched() as watched:
            outcome = watched.read(str(path))
        print(f"{outcome.grown >> 20:5} MB  {outcome.error or 'read':16} {path.name}: {outcome.words[:160]!a}")
        tally.add(outcome, str(path), path.name, None)
    print(tally.summary())
    return tally.findings


def main() -> int:
    """Parse the command line; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="a folder of EXR files to mutate besides")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "exrbatch-fuzz")
    parser.add_argument("--check", type=Path, help="read the files of this folder as they are")
    options = parser.parse_args()
    if options.check:
        return 1 if check(options.check) else 0
    return 1 if fuzz(options.seed, options.seconds, options.corpus, options.findings) else 0


if __name__ == "__main__":
    raise SystemExit(main())

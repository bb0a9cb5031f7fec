"""What is promised of `-o` on every storage: from it, to it, and within it."""

from pathlib import Path

from tests.storage import frames
from tests.storage.check import Bench, Promise, expect, expect_all
from tests.storage.runs import Run, kill_while_working, run

COUNT = 24


def _mirror(bench: Bench, source: Path, output: Path) -> str:
    """Mirror twice: the first run makes all outputs, the second finds all done."""
    first = run(bench.logs, source, "-o", output)
    expect_all(first, "recompressed", COUNT)
    bench.expect_untouched(source, COUNT)
    bench.expect_whole(output, COUNT, zipped=True)
    made = frames.digests(output)
    second = run(bench.logs, source, "-o", output)
    expect_all(second, "already", COUNT)
    expect(frames.digests(output) == made, "the second run changed outputs")
    return f"{first} | {second}"


def within(bench: Bench) -> str:
    """-o within the storage; a second -o finds all done."""
    return _mirror(bench, bench.fill("source", COUNT), bench.mount / "mirror")


def to_local(bench: Bench) -> str:
    """-o from the storage to a local disk; a second -o finds all done."""
    return _mirror(bench, bench.mount / "source", bench.local / "mirror")


def from_local(bench: Bench) -> str:
    """-o from a local disk to the storage; a second -o finds all done."""
    frames.put(bench.originals, bench.local / "source", COUNT)
    return _mirror(bench, bench.local / "source", bench.mount / "mirror-of-local")


def killed_mirror(bench: Bench) -> str:
    """-o with kill -9 three times: the originals are untouched, and a last run ends the work."""
    source, output = bench.mount / "source", bench.mount / "killed-mirror"
    for _ in range(3):
        was_running = kill_while_working(Run(bench.logs, source, "-o", output), bench.chance, COUNT // 4)
        expect(was_running, "a run was over before it could be killed")
        bench.expect_untouched(source, COUNT)
    ended = run(bench.logs, source, "-o", output)
    expect(ended.code == 0 and not ended.counts.keys() - {"recompressed", "already"}, ended)
    bench.expect_untouched(source, COUNT)
    bench.expect_whole(output, COUNT, zipped=True)
    return str(ended)


PROMISES: list[Promise] = [within, to_local, from_local, killed_mirror]

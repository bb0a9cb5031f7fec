"""What is promised on storage where frames are replaced in place: NFS."""

import os
import time

from tests.storage import frames
from tests.storage.check import Bench, Promise, expect, expect_all
from tests.storage.runs import Run, kill_while_working, reader, run

COUNT = 24
KILLS = 3


def recompresses(bench: Bench) -> str:
    """In place: every frame is recompressed, with the same pixels."""
    folder = bench.fill("in-place", COUNT)
    ended = run(bench.logs, folder)
    expect_all(ended, "recompressed", COUNT)
    bench.expect_whole(folder, COUNT, zipped=True)
    bench.expect_true(ended, folder)
    return str(ended)


def second_run(bench: Bench) -> str:
    """In place: a second run finds all done."""
    folder = bench.mount / "in-place"
    before = frames.digests(folder)
    ended = run(bench.logs, folder)
    expect_all(ended, "already", COUNT)
    expect(frames.digests(folder) == before, "the second run changed files")
    return str(ended)


def backup(bench: Bench) -> str:
    """--backup-dir: backups are removed once each frame is in place."""
    folder, backups = bench.fill("backed-up", COUNT), bench.mount / "backups"
    ended = run(bench.logs, folder, "--backup-dir", backups)
    expect_all(ended, "recompressed", COUNT)
    bench.expect_whole(folder, COUNT, zipped=True)
    bench.expect_true(ended, folder)
    left = frames.digests(backups) if backups.exists() else {}
    expect(not left, f"left: {sorted(left)}")
    return str(ended)


def kept_backups(bench: Bench) -> str:
    """--backup-dir --keep-backups: the backups are the originals, byte for byte."""
    folder, backups = bench.fill("kept", COUNT), bench.mount / "kept-backups"
    ended = run(bench.logs, folder, "--backup-dir", backups, "--keep-backups")
    expect_all(ended, "recompressed", COUNT)
    bench.expect_whole(folder, COUNT, zipped=True)
    bench.expect_untouched(backups, COUNT)
    again = run(bench.logs, folder, "--backup-dir", backups, "--keep-backups")
    expect_all(again, "already", COUNT)
    bench.expect_untouched(backups, COUNT)
    return str(ended)


def hard_links(bench: Bench) -> str:
    """Hard links: skipped by default; with --hardlinks break the other name keeps the old frame."""
    folder, others = bench.fill("linked", 6), bench.mount / "other-names"
    others.mkdir()
    for path in folder.iterdir():
        os.link(path, others / path.name)
    ended = run(bench.logs, folder)
    expect(ended.counts == {"skipped": 6} and "hard links" in str(ended), ended)
    bench.expect_untouched(folder, 6)
    ended = run(bench.logs, folder, "--hardlinks", "break")
    expect_all(ended, "recompressed", 6)
    bench.expect_whole(folder, 6, zipped=True)
    bench.expect_untouched(others, 6)
    return str(ended)


def young_frames(bench: Bench) -> str:
    """Frames written less than 60 s ago are skipped, with the reason."""
    folder = bench.fill("young", 6)
    for path in folder.iterdir():
        os.utime(path, (time.time(), time.time() - 5))
    ended = run(bench.logs, folder)
    expect_all(ended, "skipped", 6)
    expect("written less than 60 s ago" in str(ended), ended)
    bench.expect_untouched(folder, 6)
    return str(ended)


def killed_runs(bench: Bench) -> str:
    """Kill -9 of the whole group, three times: every frame stays whole, and a last run finishes."""
    folder = bench.fill("killed", COUNT)
    seen = []
    for _ in range(KILLS):
        hidden = len(frames.leftovers(folder))
        was_running = kill_while_working(Run(bench.logs, folder), bench.chance, COUNT // 4)
        left = frames.leftovers(folder)
        done = sum(map(frames.is_zip, folder.glob("*.exr")))
        seen.append(f"killed with {done} done, {len(left)} temporary files (before: {hidden})")
        expect(was_running, "a run was over before it could be killed")
        names = sorted(path.name for path in folder.glob("*.exr"))
        expect(names == sorted(os.listdir(bench.originals))[:COUNT], f"frames are missing: {names}")
        for name in names:
            same = frames.pixels(folder / name) == frames.pixels(bench.originals / name)
            expect(same, f"{name} is not whole after a kill")
    ended = run(bench.logs, folder)
    expect(ended.code == 0 and not ended.counts.keys() - {"recompressed", "already"}, ended)
    bench.expect_whole(folder, COUNT, zipped=True)
    bench.expect_true(ended, folder)
    return "; ".join([*seen, str(ended)])


def killed_with_backups(bench: Bench) -> str:
    """The same with --backup-dir: the last run also removes the backups of the killed ones."""
    folder, backups = bench.fill("killed-backed-up", COUNT), bench.mount / "killed-backups"
    for _ in range(KILLS):
        was_running = kill_while_working(Run(bench.logs, folder, "--backup-dir", backups), bench.chance, COUNT // 4)
        expect(was_running, "a run was over before it could be killed")
    ended = run(bench.logs, folder, "--backup-dir", backups)
    expect(ended.code == 0 and not ended.counts.keys() - {"recompressed", "already"}, ended)
    bench.expect_whole(folder, COUNT, zipped=True)
    left = frames.digests(backups) if backups.exists() else {}
    expect(not left, f"left: {sorted(left)}")
    return str(ended)


def two_runs(bench: Bench) -> str:
    """Two runs at once: every frame is whole, and nothing is left behind."""
    folder = bench.fill("two-runs", COUNT)
    both = [run_.wait() for run_ in [Run(bench.logs, folder), Run(bench.logs, folder)]]
    expect(all(ended.code in (0, 1) for ended in both), " | ".join(map(str, both)))
    bench.expect_whole(folder, COUNT, zipped=False)
    last = run(bench.logs, folder)
    expect(last.code == 0 and not last.counts.keys() - {"recompressed", "already"}, last)
    bench.expect_whole(folder, COUNT, zipped=True)
    return " | ".join(map(str, [*both, last]))


def open_frames(bench: Bench) -> str:
    """A program that holds the frames open goes on reading the old ones."""
    folder = bench.fill("held-open", COUNT)
    with reader(folder) as read:
        ended = run(bench.logs, folder)
        expect_all(ended, "recompressed", COUNT)
    expect(read == {name: frames.sha256(bench.originals / name) for name in read}, "the reader got something else")
    expect(len(read) == COUNT, f"the reader held {len(read)} frames")
    bench.expect_whole(folder, COUNT, zipped=True)
    bench.expect_true(ended, folder)
    return str(ended)


PROMISES: list[Promise] = [
    recompresses,
    second_run,
    backup,
    kept_backups,
    hard_links,
    young_frames,
    killed_runs,
    killed_with_backups,
    two_runs,
    open_frames,
]

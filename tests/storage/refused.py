"""What is promised on storage where a replacement in place would lose frames: SMB."""

import os
import time

from tests.storage import frames
from tests.storage.check import Bench, Promise, expect
from tests.storage.runs import Run, kill, reader, run

COUNT = 200


def refused(bench: Bench) -> str:
    """In place is refused up front with exit code 2; 200 frames stay as they are."""
    folder = bench.fill("refused", COUNT)
    ended = run(bench.logs, folder)
    expect(ended.code == 2 and not ended.reports and "replaced in place" in ended.output, ended)
    bench.expect_untouched(folder, COUNT)
    return str(ended)


def refused_with_force(bench: Bench) -> str:
    """In place is refused with --force, too, and with --backup-dir."""
    folder, backups = bench.mount / "refused", bench.mount / "backups"
    endings = [
        run(bench.logs, folder, "--force"),
        run(bench.logs, folder, "--force", "--backup-dir", backups, "--keep-backups"),
    ]
    for ended in endings:
        expect(ended.code == 2 and not ended.reports, ended)
    expect(not backups.exists() or not os.listdir(backups), "there are backups")
    bench.expect_untouched(folder, COUNT)
    return " | ".join(map(str, endings))


def refused_and_killed(bench: Bench) -> str:
    """In place with kill -9, a reader and a second run at once: 200 frames stay as they are."""
    folder = bench.mount / "refused"
    killed = 0
    with reader(folder) as read:
        for _ in range(3):
            both = [Run(bench.logs, folder), Run(bench.logs, folder, "--force")]
            time.sleep(bench.chance.uniform(0.5, 4))
            killed += kill(both[0])
            ended = both[1].wait()
            expect(ended.code == 2 and not ended.reports, ended)
    expect(read == {name: frames.sha256(bench.originals / name) for name in read}, "the reader got something else")
    expect(len(read) == COUNT, f"the reader held {len(read)} frames")
    bench.expect_untouched(folder, COUNT)
    return f"{killed} of 3 were killed before they had refused"


def below_a_root(bench: Bench) -> str:
    """A mount below the given folder: its frames fail, untouched; the others are recompressed."""
    folder, beside = bench.fill("below", 6), bench.mount.parent / "beside"
    frames.put(bench.originals, beside, 6)
    ended = run(bench.logs, bench.mount.parent, "--include", "below/", "--include", "beside/", "--force")
    statuses = {path: str(report["status"]) for path, report in ended.reports.items()}
    expect(ended.code == 1 and ended.counts == {"failed": 6, "recompressed": 6}, ended)
    expect(all(statuses[str(path)] == "failed" for path in folder.iterdir()), statuses)
    bench.expect_untouched(folder, 6)
    bench.expect_whole(beside, 6, zipped=True)
    return str(ended)


def mount_as_root(bench: Bench) -> str:
    """In place is refused for the root of the mount and for a single frame, too."""
    folder = bench.mount / "refused"
    single = folder / sorted(os.listdir(folder))[0]
    endings = [run(bench.logs, bench.mount), run(bench.logs, single)]
    for ended in endings:
        expect(ended.code == 2 and not ended.reports, ended)
    bench.expect_untouched(folder, COUNT)
    return " | ".join(map(str, endings))


PROMISES: list[Promise] = [refused, refused_with_force, refused_and_killed, below_a_root, mount_as_root]

"""A promise is a function that raises `Broken` if it does not hold, and works with a `Bench`."""

import json
import os
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.storage import frames
from tests.storage.runs import Ended


class Broken(Exception):
    """The promise does not hold; the message says what was found."""


def expect(holds: bool, found: object) -> None:
    """Raise `Broken` with what was found, unless it holds."""
    if not holds:
        raise Broken(str(found))


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What promises are checked with.

    Attributes:
        originals: the frames as they were, on a local disk.
        served: the server's folder, which is the truth, because a client may show cached data.
        mount: the same folder, through the client.
        local: an empty folder on the guest's own disk.
        logs: where runs leave their output and reports.
        chance: decides when runs are killed.
    """

    originals: Path
    served: Path
    mount: Path
    local: Path
    logs: Path
    chance: random.Random

    def fill(self, name: str, count: int) -> Path:
        """Put old frames in a new folder of the mount; return it."""
        frames.put(self.originals, self.mount / name, count)
        return self.mount / name

    def served_at(self, folder: Path) -> Path:
        """Return the server's own path of a folder of the mount."""
        return self.served / folder.relative_to(self.mount)

    def expect_whole(self, folder: Path, count: int, *, zipped: bool) -> None:
        """Check that a folder holds the frames with their pixels and times, and nothing else.

        `zipped`: whether all have to be ZIP; otherwise each may still be the old file. A folder of
        the mount has to be the same on the server.
        """
        names = sorted(os.listdir(self.originals))[:count]
        found = sorted(os.listdir(folder))
        expect(found == names, f"{folder.name} holds {sorted(set(found) ^ set(names))} too much or too little")
        for name in names:
            path, original = folder / name, self.originals / name
            expect(frames.pixels(path) == frames.pixels(original), f"{name} has other pixels")
            expect(abs(path.stat().st_mtime - original.stat().st_mtime) < 1e-6, f"{name} has another time")
            if not frames.is_zip(path):
                expect(not zipped, f"{name} is not ZIP")
                expect(frames.sha256(path) == frames.sha256(original), f"{name} is neither the old nor a new file")
        if folder.is_relative_to(self.mount):
            server, client = frames.digests(self.served_at(folder)), frames.digests(folder)
            expect(server == client, f"{folder.name}: the server has other files than the client shows")

    def expect_untouched(self, folder: Path, count: int) -> None:
        """Check that a folder holds exactly the original bytes and names, also on the server."""
        wanted = {name: frames.sha256(self.originals / name) for name in sorted(os.listdir(self.originals))[:count]}
        places = [folder, self.served_at(folder)] if folder.is_relative_to(self.mount) else [folder]
        for place in places:
            found = frames.digests(place)
            differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
            expect(not differing, f"not as they were in {place}: {differing}")

    def expect_true(self, ended: Ended, folder: Path) -> None:
        """Check that the report says of each frame what is the case: new, or as it was."""
        for path, report in ended.reports.items():
            name = os.path.basename(path)
            now = folder / name
            is_original = frames.sha256(now) == frames.sha256(self.originals / name)
            if report["status"] == "recompressed":
                expect(frames.is_zip(now) and not is_original, f"{name} is reported recompressed, and is not")
            elif report["status"] == "already":
                expect(frames.is_zip(now), f"{name} is reported as already ZIP, and is not")
            else:
                expect(is_original, f"{name} is reported {report['status']}, and was changed")
            expect(report["size_after"] == now.stat().st_size, f"{name}: the report has a wrong size")


def expect_all(ended: Ended, status: str, count: int, code: int = 0) -> None:
    """Check that a run ended all its files with one status."""
    expect(ended.code == code and ended.counts == {status: count}, ended)


Promise = Callable[[Bench], str]
"""Returns a few words about what was seen, or raises `Broken`.

The first line of its docstring is its row in the table.
"""


def check(promise: Promise, bench: Bench, results: Path) -> None:
    """Check one promise and add a line to the results.

    If the test itself raises an error, the promise counts as broken.
    """
    started = time.monotonic()
    name = (promise.__doc__ or promise.__name__).splitlines()[0].rstrip(".")
    try:
        verdict, detail = "PASS", promise(bench)
    except Broken as broken:
        verdict, detail = "FAIL", str(broken)
    except Exception:  # noqa: BLE001  # any other error is a failure, and the next promise is checked all the same
        verdict, detail = "FAIL", traceback.format_exc()
    seconds = round(time.monotonic() - started, 1)
    print(f"{verdict} {seconds:6.1f} s  {name}: {detail}", flush=True)
    with results.open("a") as file:
        file.write(json.dumps({"promise": name, "verdict": verdict, "seconds": seconds, "detail": detail}) + "\n")

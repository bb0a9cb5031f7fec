"""The program that runs in the guest: check every promise on one mount.

`python -m tests.storage.promises STORAGE SERVED MOUNT RESULTS` writes RESULTS/results.jsonl, one
line for each promise, and the output of every run of exrbatch to RESULTS/runs. The exit code is
always 0; table.py says whether all promises hold.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.storage import frames, in_place, mirrored, refused
from tests.storage.check import Bench, check, expect

EXPECTED = {
    "nfs3": ("nfs", "vers=3"),
    "nfs4.2": ("nfs4", "vers=4.2"),
    "nfs4.2-no-delegations": ("nfs4", "vers=4.2"),
    "smb3.1.1": ("cifs", "vers=3.1.1"),
}


def main() -> None:
    """Check the promises of the storage that the arguments name."""
    storage, served, mount, results = sys.argv[1], *map(Path, sys.argv[2:])
    in_place_works = not storage.startswith("smb")
    logs, local = results / "runs", Path("/local")
    seed = int(time.time())
    for folder in (logs, local):
        folder.mkdir()
    bench = Bench(
        originals=Path("/originals"), served=served, mount=mount, local=local, logs=logs, chance=random.Random(seed)
    )
    print(f"{storage}: kills are timed by seed {seed}", flush=True)
    frames.make_originals(bench.originals, in_place.COUNT if in_place_works else refused.COUNT)

    def is_what_it_claims(bench: Bench) -> str:
        """The mount is the storage that it is called."""
        return _setup(bench, storage)

    def doctor(bench: Bench) -> str:
        """`exrbatch doctor` runs."""
        ended = _exrbatch("doctor", bench.mount)
        (results / "doctor.txt").write_text(ended.stdout + ended.stderr)
        expect(ended.returncode in (0, 1), f"exit {ended.returncode}: {ended.stderr}")
        return f"exit {ended.returncode}"

    promises = [*(in_place.PROMISES if in_place_works else refused.PROMISES), *mirrored.PROMISES]
    if _exrbatch("doctor", "--help").returncode == 0:
        promises.append(doctor)
    for promise in [is_what_it_claims, *promises, nothing_left]:
        check(promise, bench, results / "results.jsonl")


def nothing_left(bench: Bench) -> str:
    """In the end no temporary file is left anywhere."""
    places = [bench.served, bench.mount, bench.local]
    left = [name for place in places for name in frames.leftovers(place)]
    expect(not left, left)
    return "none"


def _exrbatch(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "exrbatch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def _setup(bench: Bench, storage: str) -> str:
    """Look at the mount table, and, for NFS 4, at whether the server grants delegations."""
    kind, version = EXPECTED[storage]
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    (options,) = [mount[3] for mount in mounts if mount[1] == str(bench.mount) and mount[2] == kind]
    expect(version in options.split(","), options)
    if kind != "nfs4":
        return version
    granted = _grants_delegations(bench)
    expect(granted != storage.endswith("no-delegations"), f"delegations: {granted}")
    return f"{version}, delegations: {granted}"


def _grants_delegations(bench: Bench) -> bool:
    """Whether the server lists a delegation for one of a few files that are opened to be read."""
    folder = bench.fill("delegated", 6)
    for path in folder.iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.read(fd, 10)
        listed = [states.read_text() for states in Path("/proc/fs/nfsd/clients").glob("*/states")]
        os.close(fd)
        if any("type: deleg" in states for states in listed):
            return True
    return False


if __name__ == "__main__":
    main()

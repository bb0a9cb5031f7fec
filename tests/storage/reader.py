"""A program that holds frames open: `python -m tests.storage.reader FOLDER`.

It opens every frame, prints "ready", waits for the end of its input, then reads what it has open.
It prints one JSON object: the digest of each frame, by name. A program that has opened the old
frame must be able to go on reading it.
"""

import hashlib
import json
import sys
from contextlib import ExitStack
from pathlib import Path


def main() -> None:
    """Hold the frames of the folder open until the input ends."""
    with ExitStack() as stack:
        files = {path.name: stack.enter_context(path.open("rb")) for path in Path(sys.argv[1]).glob("*.exr")}
        for file in files.values():
            file.read(100)
        print("ready", flush=True)
        sys.stdin.read()
        found = {}
        for name, file in files.items():
            file.seek(0)
            found[name] = hashlib.sha256(file.read()).hexdigest()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

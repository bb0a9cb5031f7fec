"""Frames to test with, and what is compared: pixels, bytes, and names left behind.

Pixels are those that the OpenEXR library decodes.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import OpenEXR

from exrbatch.demo import plate

HOUR = 3600.0
Pixels = dict[str, tuple[str, str, bytes]]
"""Of each channel: its type, its shape and its samples."""


def make_originals(folder: Path, count: int) -> None:
    """Write uncompressed frames that are at least an hour old.

    In turn: half float, with a float channel, and tiled.
    """
    folder.mkdir(parents=True)
    for number in range(count):
        channels: dict[str, object] = dict(plate(192, 108, number))
        header: dict[str, object] = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
        if number % 3 == 1:
            channels["Z"] = np.linspace(1, 1000, 192 * 108, dtype=np.float32).reshape(108, 192)
        if number % 3 == 2:
            header |= {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
        path = folder / f"frame.{1001 + number}.exr"
        with OpenEXR.File(header, channels) as file:
            file.write(str(path))
        old = time.time() - HOUR - 60 * number
        os.utime(path, (old, old))


def put(originals: Path, folder: Path, count: int) -> list[str]:
    """Copy frames with their old modification times into a new folder; return their names."""
    folder.mkdir(parents=True)
    names = sorted(os.listdir(originals))[:count]
    for name in names:
        shutil.copy2(originals / name, folder / name)
    return names


def pixels(path: Path) -> Pixels:
    """Decode a frame with the OpenEXR library."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        found = file.channels()
        return {
            name: (str(found[name].pixels.dtype), str(found[name].pixels.shape), found[name].pixels.tobytes())
            for name in found
        }


def is_zip(path: Path) -> bool:
    """Whether the OpenEXR library says that a frame is compressed with ZIP."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return bool(file.header()["compression"] == OpenEXR.ZIP_COMPRESSION)


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder, by its path from there."""
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def leftovers(folder: Path) -> list[str]:
    """Return files that should not be there.

    That is, our temporary files, and removed files that an NFS client keeps because they are open.
    """
    return sorted(name for name in every_name(folder) if os.path.basename(name).startswith((".exrbatch-", ".nfs")))


def every_name(folder: Path) -> list[str]:
    """Return the path of everything below a folder."""
    return [os.path.join(root, name) for root, folders, files in os.walk(folder) for name in folders + files]

"""Make the files of the benchmarks: uncompressed procedural frames, written by the OpenEXR library.

    python -m benchmarks.corpus DIR [--scale 1] [--frames 4] [--reference IMAGES]

Classes: `plate` (grainy RGBA half at 2K and 4K), `cg` (clean RGBA and 20 AOV channels, half),
`depth` (one float channel), `deep` (deep scan lines with a few samples per pixel). `--scale 0.25`
makes small frames for a quick look. `--reference` adds the flat scan line files below a folder,
uncompressed, as `reference_cg` and `reference`.
"""

import argparse
import contextlib
import shutil
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from exrbatch import InvalidFile, Status, UnsupportedFile, recompress_many
from exrbatch.demo import plate
from exrbatch.exr.part import Storage
from exrbatch.exr.reader import open_exr

Channels = dict[str, NDArray[np.generic]]
SIZES = {"2k": (2048, 1152), "4k": (3840, 2160)}
AOVS = ("diffuse", "specular", "albedo", "normal", "position", "emission")

CG_CHANNELS = 12
"""Reference images with at least this many channels are renders with layers."""


def cg(width: int, height: int, frame: int) -> Channels:
    """Paint a clean render: shaded spheres without a background, with alpha.

    Its 20 AOV channels are mostly smooth or empty.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    random = np.random.default_rng(frame)
    alpha = np.zeros((height, width), np.float32)
    shade = np.zeros_like(alpha)
    ids = np.zeros_like(alpha)
    for index in range(12):
        radius = height * random.uniform(0.05, 0.2)
        cx, cy = random.uniform(0, width), random.uniform(0, height)
        distance = np.hypot(x - cx, y - cy) / radius
        inside = distance < 1
        shade = np.where(inside, np.sqrt(np.clip(1 - distance**2, 0, 1)), shade)
        alpha = np.maximum(alpha, np.clip((1 - distance) * radius, 0, 1))
        ids = np.where(inside, index + 1, ids)
    texture = 0.5 + 0.5 * np.sin(x / 7) * np.sin(y / 5)
    channels: Channels = {
        name: (shade * gain * (0.7 + 0.3 * texture)).astype(np.float16)
        for name, gain in {"R": 0.9, "G": 0.6, "B": 0.3}.items()
    }
    channels["A"] = alpha.astype(np.float16)
    for index, aov in enumerate(AOVS):
        for axis in "XYZ":
            wave = np.sin(x / (90 + 20 * index) + ord(axis)) * shade
            channels[f"{aov}.{axis}"] = (wave * texture if index < 2 else wave).astype(np.float16)
    channels["objectId.X"] = ids.astype(np.float16)
    channels["coverage.X"] = (alpha > 0).astype(np.float16)
    return channels


def depth(width: int, height: int, frame: int) -> Channels:
    """Paint a float depth channel: a plane, a sphere, and infinity where there is nothing."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    plane = 10 + 1000 / (1 + y)
    ball = np.hypot(x - width * (0.3 + 0.01 * frame), y - height / 2)
    z = np.where(ball < height / 4, 5 + ball / height, plane)
    z[: height // 5] = np.inf
    return {"Z": z.astype(np.float32)}


def write_flat(path: Path, channels: Channels) -> None:
    """Write an uncompressed scan line file."""
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def write_deep(path: Path, width: int, height: int, frame: int) -> None:
    """Write uncompressed deep scan lines with 0 to 4 samples per pixel of A (half) and Z (float)."""
    random = np.random.default_rng(frame)
    counts = random.integers(0, 5, (height, width)) * (random.random((height, width)) < 0.5)
    samples: dict[str, NDArray[np.object_]] = {}
    for name, kind in (("A", np.float16), ("Z", np.float32)):
        pixels = np.empty((height, width), object)
        for index, count in np.ndenumerate(counts):
            pixels[index] = (np.sort(random.random(count)) * 100).round(1).astype(kind) if count else None
        samples[name] = pixels
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.deepscanline}
    with OpenEXR.File(header, samples) as file:
        file.write(str(path))


def make_corpus(folder: Path, scale: float, frames: int) -> None:
    """Write all classes below `folder`, one sub-folder each.

    Args:
        folder: the corpus.
        scale: factor of the width and height of all frames.
        frames: number of frames per class.
    """
    for name, (full_width, full_height) in SIZES.items():
        width, height = int(full_width * scale), int(full_height * scale)
        for kind, paint in (("plate", plate), ("cg", cg), ("depth", depth)):
            target = folder / f"{kind}_{name}"
            target.mkdir(parents=True, exist_ok=True)
            for frame in range(frames):
                write_flat(target / f"{kind}.{1001 + frame}.exr", dict(paint(width, height, frame)))
    target = folder / "deep"
    target.mkdir(parents=True, exist_ok=True)
    for frame in range(frames):
        write_deep(target / f"deep.{1001 + frame}.exr", int(512 * scale) or 1, int(288 * scale) or 1, frame)


def add_reference(folder: Path, images: Path) -> None:
    """Add the reference images that every peer can process: flat scan lines, one part, no subsampling.

    The images include damaged files, which are left out. CG images, which are recognised by their
    many channels, are a class of their own, because they compress very differently from all others.

    Args:
        folder: the corpus.
        images: folder of the reference images.
    """
    targets = {True: folder / "reference_cg", False: folder / "reference"}
    for target in targets.values():
        target.mkdir(parents=True, exist_ok=True)
    for path in sorted(images.rglob("*.exr")):
        with contextlib.suppress(InvalidFile, UnsupportedFile), open_exr(str(path)) as file:
            part = file.header.parts[0]
            is_plain = len(file.header.parts) == 1 and part.storage is Storage.SCAN_LINE
            is_plain &= all((channel.x_sampling, channel.y_sampling) == (1, 1) for channel in part.channels)
            if is_plain and "Damaged" not in path.parts:
                target = targets[len(part.channels) >= CG_CHANNELS]
                shutil.copyfile(path, target / f"{path.parent.name}_{path.name}")
    for report in recompress_many(list(targets.values()), "none", force=True, include_lossy_sources=True):
        assert report.status in (Status.RECOMPRESSED, Status.ALREADY), report


def main() -> None:
    """Parse arguments, and write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--reference", type=Path)
    arguments = parser.parse_args()
    make_corpus(arguments.folder, arguments.scale, arguments.frames)
    if arguments.reference is not None:
        add_reference(arguments.folder, arguments.reference)
    size = sum(path.stat().st_size for path in arguments.folder.rglob("*.exr"))
    print(f"{arguments.folder}: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

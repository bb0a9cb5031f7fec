"""Make the files of the benchmarks: real images, and procedural frames for what these lack.

    python -m benchmarks.corpus DIR [--images IMAGES] [--scale 1] [--frames 3]

Each class is a folder below DIR. All files are uncompressed.

The real classes come from a checkout of openexr-images: `renders` (many channels or parts),
`photos` (camera and film) and `charts`. Each image is repeated until its class has a useful size.

The OpenEXR library writes the procedural classes: `noisy_render` (path-traced noise, antialiased
and motion-blurred edges, AOVs that are empty outside objects, float ids like those of Cryptomatte),
`depth` (one float channel), `plate_4k` and `plate_8k` (grain), `small` (many frames of 2 MB) and
`deep`. `--scale 0.25` makes small frames for a quick look.

Procedural frames are misleading about speed. Do not tune anything on them alone.
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
from exrbatch.exr.header import Header
from exrbatch.exr.part import LevelMode, Storage
from exrbatch.exr.reader import open_exr

Channels = dict[str, NDArray[np.generic]]
CLASS_BYTES = {"renders": 400e6, "photos": 400e6, "charts": 60e6}
"""Raw bytes up to which the images of a class are repeated."""
CHART_FOLDERS = ("TestImages", "DisplayWindow", "MultiResolution")
AOVS = ("diffuse", "specular", "albedo", "normal", "position", "emission")
RENDER_CHANNELS = 12
"""An image with at least this many channels in all its parts is a render with AOVs."""
BLUR_STEPS = 4
SMALL_FRAMES = 500


def noisy_render(width: int, height: int, frame: int) -> Channels:
    """Paint a frame like that of a path tracer.

    It has noise inside objects and nothing outside, soft edges, and ids as floats.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    random = np.random.default_rng(frame)
    alpha = np.zeros((height, width), np.float32)
    shade, ids = np.zeros_like(alpha), np.zeros_like(alpha)
    for _ in range(12):
        radius = height * random.uniform(0.05, 0.2)
        cx, cy, speed = random.uniform(0, width), random.uniform(0, height), random.uniform(0, 6)
        coverage = np.zeros_like(alpha)
        for step in range(BLUR_STEPS):
            distance = np.hypot(x - cx - speed * step, y - cy) / radius
            coverage += np.clip((1 - distance) * radius + 0.5, 0, 1) / BLUR_STEPS
        light = np.sqrt(np.clip(1 - (np.hypot(x - cx, y - cy) / radius) ** 2, 0.01, 1))
        shade = shade * (1 - coverage) + light * coverage
        ids = np.where(coverage > 0.5, random.uniform(1e-6, 1e6), ids)
        alpha = np.maximum(alpha, coverage)
    texture = 0.5 + 0.5 * np.sin(x / 7) * np.sin(y / 5)

    def traced(value: NDArray[np.float32], noise: float) -> NDArray[np.float16]:
        return (value * (1 + noise * random.standard_normal(value.shape, np.float32))).astype(np.float16)

    gains = {"R": 0.9, "G": 0.6, "B": 0.3}
    channels: Channels = {name: traced(shade * gain * (0.7 + 0.3 * texture), 0.03) for name, gain in gains.items()}
    channels["A"] = alpha.astype(np.float16)
    for index, aov in enumerate(AOVS):
        for axis in "XYZ":
            wave = np.sin(x / (90 + 20 * index) + ord(axis)) * shade
            channels[f"{aov}.{axis}"] = traced(wave * texture if index < 2 else wave, 0.05 if index < 2 else 0)
    channels["crypto00.red"] = ids.astype(np.float32)
    channels["crypto00.green"] = (alpha * (ids > 0)).astype(np.float32)
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
    """Write uncompressed deep scan lines: 0 to 4 samples per pixel of A (half) and Z (float)."""
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


def make_procedural(folder: Path, scale: float, frames: int) -> None:
    """Write the procedural classes below `folder`.

    Args:
        folder: the corpus.
        scale: factor of the width and height of most frames, and of the number of small frames.
        frames: number of frames of most classes.
    """

    def size(width: int, height: int) -> tuple[int, int]:
        return int(width * scale) or 1, int(height * scale) or 1

    for frame in range(frames):
        number = f"{1001 + frame}.exr"
        write_flat(made(folder / "noisy_render") / number, noisy_render(*size(2048, 1152), frame))
        write_flat(made(folder / "depth") / number, depth(*size(3840, 2160), frame))
        write_flat(made(folder / "plate_4k") / number, dict(plate(*size(3840, 2160), frame)))
        write_deep(made(folder / "deep") / number, *size(512, 288), frame)
    write_flat(made(folder / "plate_8k") / "1001.exr", dict(plate(*size(7680, 4320), 0)))
    small = made(folder / "small") / "1001.exr"
    write_flat(small, dict(plate(640, 400, 0)))
    for frame in range(1, int(SMALL_FRAMES * scale)):
        shutil.copyfile(small, small.with_name(f"{1001 + frame}.exr"))


def made(folder: Path) -> Path:
    """Create a folder if it does not exist, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def add_real(folder: Path, images: Path, *, repeat: bool = True) -> None:
    """Copy the real images that every peer can rewrite completely, and repeat them.

    These are images with flat parts, one level and no subsampled channels. The checkout also has
    damaged files, which are left out.

    Args:
        folder: the corpus.
        images: the checkout of openexr-images.
        repeat: whether to repeat the images until each class has a useful size.
    """
    found: dict[str, list[Path]] = {name: [] for name in CLASS_BYTES}
    for path in sorted(images.rglob("*.exr")):
        with contextlib.suppress(InvalidFile, UnsupportedFile), open_exr(str(path)) as file:
            if "Damaged" in path.parts or not is_plain(file.header):
                continue
            channels = sum(len(part.channels) for part in file.header.parts)
            is_render = channels >= RENDER_CHANNELS or path.parent.name == "LowResLeftView"
            kind = "renders" if is_render else "charts" if path.parent.name in CHART_FOLDERS else "photos"
            target = made(folder / kind) / f"{path.parent.name}_{path.name}"
            shutil.copyfile(path, target)
            found[kind].append(target)
    folders = [str(folder / kind) for kind in CLASS_BYTES if found[kind]]
    for report in recompress_many(folders, "none", force=True, include_lossy_sources=True):
        assert report.status in (Status.RECOMPRESSED, Status.ALREADY), report
    for kind, paths in found.items() if repeat else ():
        total = sum(path.stat().st_size for path in paths)
        for copy in range(1, round(CLASS_BYTES[kind] / total) if total else 0):
            for path in paths:
                shutil.copyfile(path, path.with_name(f"{copy}_{path.name}"))


def is_plain(header: Header) -> bool:
    """Whether every peer can rewrite a file with this header completely."""
    return all(
        part.storage in (Storage.SCAN_LINE, Storage.TILED)
        and (part.tiles is None or part.tiles.level_mode is LevelMode.ONE_LEVEL)
        and not part.is_subsampled
        for part in header.parts
    )


def main() -> None:
    """Parse arguments, and write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=Path, help="a checkout of openexr-images")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--frames", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.images is not None:
        add_real(arguments.folder, arguments.images)
    make_procedural(arguments.folder, arguments.scale, arguments.frames)
    for each in sorted(arguments.folder.iterdir()):
        size = sum(path.stat().st_size for path in each.iterdir())
        print(f"{each.name}: {len(list(each.iterdir()))} files, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

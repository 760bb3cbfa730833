#!/usr/bin/env python3
"""Make the MNIST sample that fedfunnel carries inside its binary (src/data/sample/*.gz).

Reads the four IDX files of MNIST (plain or .gz) from a folder and picks, by a seeded choice, the same
number of images of every class: 600 of the training files and 100 of the test files. The order is
shuffled, so that classes are mixed. Needs nothing but Python's standard library.

    fedfunnel data fetch mnist
    python3 tools/make_mnist_sample.py ~/.local/share/fedfunnel/mnist src/data/sample
"""

import argparse
import gzip
import random
import struct
from pathlib import Path

CLASSES = 10
# Prefix of the files, images of each class.
SPLITS = (("train", 600), ("t10k", 100))


def read(folder, name):
    """The bytes of one IDX file, whichever way it lies there."""
    plain = folder / name
    if plain.exists():
        return plain.read_bytes()
    return gzip.decompress((folder / f"{name}.gz").read_bytes())


def body(content, magic, dimensions, name):
    """The dimensions and the payload of an IDX file; stops where the header is not the expected one."""
    header = 4 + 4 * dimensions
    found, *sizes = struct.unpack(f">{1 + dimensions}I", content[:header])
    if found != magic:
        raise SystemExit(f"{name}: magic number {found:#010x} instead of {magic:#010x}")
    payload = content[header:]
    expected = 1
    for size in sizes:
        expected *= size
    if len(payload) != expected:
        raise SystemExit(f"{name}: {expected:,} bytes announced, {len(payload):,} there")
    return sizes, payload


def choose(labels, per_class, rng):
    """Indices of `per_class` samples of every class, in mixed order."""
    chosen = []
    for label in range(CLASSES):
        of_class = [i for i, value in enumerate(labels) if value == label]
        chosen += rng.sample(of_class, per_class)
    rng.shuffle(chosen)
    return chosen


def write(path, content):
    """Writes a .gz without name and time, so that the same input gives the same bytes."""
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
    print(f"{path}: {path.stat().st_size:,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="folder with the four IDX files")
    parser.add_argument("out", type=Path, help="folder for the four .gz files of the sample")
    parser.add_argument("--seed", type=int, default=2108)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(arguments.seed)
    for prefix, per_class in SPLITS:
        images_name = f"{prefix}-images-idx3-ubyte"
        labels_name = f"{prefix}-labels-idx1-ubyte"
        (count, height, width), pixels = body(read(arguments.mnist, images_name), 0x803, 3, images_name)
        (label_count,), labels = body(read(arguments.mnist, labels_name), 0x801, 1, labels_name)
        if count != label_count:
            raise SystemExit(f"{images_name}: {count:,} images, but {label_count:,} labels")
        chosen = choose(labels, per_class, rng)
        size = height * width
        images = b"".join(pixels[i * size : (i + 1) * size] for i in chosen)
        header = struct.pack(">4I", 0x803, len(chosen), height, width)
        write(arguments.out / f"{images_name}.gz", header + images)
        header = struct.pack(">2I", 0x801, len(chosen))
        write(arguments.out / f"{labels_name}.gz", header + bytes(labels[i] for i in chosen))


if __name__ == "__main__":
    main()

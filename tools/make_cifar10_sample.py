#!/usr/bin/env python3
"""Make the CIFAR-10 sample that fedfunnel carries inside its binary (src/data/sample/cifar10/*).

Reads the six binary batches of CIFAR-10 from a folder and picks, by a seeded choice, the same number
of images of every class: 120 of the training batches and 30 of the test batch. The order is shuffled,
so that classes are mixed. Needs nothing but Python's standard library.

The images of a split become one PNG, 32 pixels wide, one image below the other. Its three channels are
red minus green, green, and blue minus green (modulo 256): natural colours go together, so this packs
a sixth smaller than red, green and blue, and adding green back gives every byte as it was. The labels
become a file of one byte each.

    fedfunnel data fetch cifar10
    python3 tools/make_cifar10_sample.py ~/.local/share/fedfunnel/cifar10 src/data/sample/cifar10
"""

import argparse
import random
import struct
import zlib
from pathlib import Path

CLASSES = 10
SIDE = 32
PLANE = SIDE * SIDE
RECORD = 1 + 3 * PLANE
# Name of the split, its batches, images of each class.
SPLITS = (
    ("train", [f"data_batch_{number}.bin" for number in range(1, 6)], 120),
    ("test", ["test_batch.bin"], 30),
)
PAETH = 4


def read(folder, names):
    """The records of these batches."""
    content = b"".join((folder / name).read_bytes() for name in names)
    if len(content) != 10_000 * RECORD * len(names):
        raise SystemExit(f"{', '.join(names)}: {len(content):,} bytes")
    return [content[start : start + RECORD] for start in range(0, len(content), RECORD)]


def choose(records, per_class, rng):
    """`per_class` records of every class, in mixed order."""
    chosen = []
    for label in range(CLASSES):
        chosen += rng.sample([record for record in records if record[0] == label], per_class)
    rng.shuffle(chosen)
    return chosen


def rows(record):
    """The rows of pixels of one image: red minus green, green, blue minus green."""
    red, green, blue = (record[1 + plane * PLANE :][:PLANE] for plane in range(3))
    for y in range(0, PLANE, SIDE):
        row = bytearray()
        for r, g, b in zip(red[y : y + SIDE], green[y : y + SIDE], blue[y : y + SIDE]):
            row += bytes(((r - g) % 256, g, (b - g) % 256))
        yield bytes(row)


def predict(left, up, corner):
    """PNG's Paeth predictor: the neighbour nearest to left + up - corner."""
    estimate = left + up - corner
    return min((left, up, corner), key=lambda neighbour: abs(estimate - neighbour))


def filtered(all_rows):
    """The rows as PNG has them before compression, each with the Paeth filter."""
    above = bytes(3 * SIDE)
    for row in all_rows:
        neighbours = zip(row, bytes(3) + row[:-3], above, bytes(3) + above[:-3])
        yield bytes([PAETH]) + bytes((value - predict(*near)) % 256 for value, *near in neighbours)
        above = row


def png(records):
    """One PNG of all images, one below the other."""
    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    # Eight bits, red, green and blue, no interlace.
    header = struct.pack(">2I5B", SIDE, SIDE * len(records), 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    body = packer.compress(b"".join(filtered(row for record in records for row in rows(record))))
    body += packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def write(path, content):
    path.write_bytes(content)
    print(f"{path}: {path.stat().st_size:,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar10", type=Path, help="folder with the six binary batches")
    parser.add_argument("out", type=Path, help="folder for the four files of the sample")
    parser.add_argument("--seed", type=int, default=2108)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(arguments.seed)
    for split, names, per_class in SPLITS:
        chosen = choose(read(arguments.cifar10, names), per_class, rng)
        write(arguments.out / f"{split}.png", png(chosen))
        write(arguments.out / f"{split}-labels", bytes(record[0] for record in chosen))


if __name__ == "__main__":
    main()

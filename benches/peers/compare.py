#!/usr/bin/env python3
"""fedfunnel beside PyTorch, the two by turns on the same machine, so that what else it does hits both.

    cargo build --release
    python benches/peers/compare.py mnist-epoch cifar-train-b64
    python benches/peers/compare.py all --rounds 5 --torch-device cuda

For each work and round one process of ours and one of theirs; the ratio is that of their median times, ours / theirs:
below 1 fedfunnel is the faster. Printed are the medians over the rounds and the range of the ratio.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OURS = ROOT / "target/release/fedfunnel"
THEIRS = HERE / "torch_works.py"
WORKS = ["matmul-512", "mnist-epoch", "cifar-train-b64", "wide-ae-adam-b8", "wide-ae-adam-b40"]


def seconds_of(command):
    """The median of the one work that a command times."""
    ran = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True)
    (measured,) = json.loads(ran.stdout)
    return measured["seconds"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto", help="ours, as fedfunnel takes it")
    parser.add_argument("--torch-device", default="cpu")
    arguments = parser.parse_args()
    works = WORKS if "all" in arguments.works else arguments.works
    for work in works:
        if work not in WORKS:
            parser.error(f"there is no work {work!r}; there are {', '.join(WORKS)}")
    print(f"{'work':<20}{'ours':>12}{'PyTorch':>12}{'ratio':>8}{'fewest':>8}{'most':>8}")
    for work in works:
        rounds = []
        for _ in range(arguments.rounds):
            ours = seconds_of([OURS, "-q", "bench", work, "--json", "-", "--device", arguments.device])
            rounds.append((ours, seconds_of([sys.executable, THEIRS, work, "--device", arguments.torch_device])))
        ours, theirs = (statistics.median(column) for column in zip(*rounds))
        ratios = [ours / theirs for ours, theirs in rounds]
        cells = [f"{ours:.4g} s", f"{theirs:.4g} s"]
        print(f"{work:<20}{cells[0]:>12}{cells[1]:>12}{statistics.median(ratios):>8.2f}"
              f"{min(ratios):>8.2f}{max(ratios):>8.2f}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""fedfunnel beside PyTorch or burn, the two by turns on the same machine, so that what else it does hits both.

    cargo build --release
    python benches/peers/compare.py mnist-epoch cifar-train-b64
    python benches/peers/compare.py all --rounds 5 --torch-device cuda
    cargo build --release --manifest-path benches/peers/burn/Cargo.toml
    python benches/peers/compare.py all --peer burn

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
TORCH = HERE / "torch_works.py"
BURN = HERE / "burn/target/release/burn-works"
WORKS = {
    "torch": ["matmul-512", "mnist-epoch", "cifar-train-b64", "wide-ae-adam-b8", "wide-ae-adam-b40"],
    "burn": ["matmul-512", "mnist-epoch", "cifar-train-b64", "wide-ae-adam-b8"],
}


class Failed(Exception):
    """A program that gave no time; its last words."""


def seconds_of(command):
    """The median of the one work that a command times."""
    try:
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    except FileNotFoundError:
        raise Failed(f"there is no {command[0]}: build it first, as --help says")
    if ran.returncode != 0:
        said = [line.strip() for line in ran.stderr.splitlines() if len(line.split()) > 2]
        raise Failed(said[-1] if said else f"status {ran.returncode}")
    (measured,) = json.loads(ran.stdout)
    return measured["seconds"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", default="torch", choices=WORKS)
    parser.add_argument("--device", default="auto", help="ours, as fedfunnel takes it")
    parser.add_argument("--torch-device", default="cpu")
    arguments = parser.parse_args()
    known = WORKS[arguments.peer]
    works = known if "all" in arguments.works else arguments.works
    for work in works:
        if work not in known:
            parser.error(f"{arguments.peer} has no work {work!r}; there are {', '.join(known)}")
    peers = {
        "torch": lambda work: [sys.executable, TORCH, work, "--device", arguments.torch_device],
        "burn": lambda work: [BURN, work],
    }
    print(f"{'work':<20}{'ours':>12}{arguments.peer:>12}{'ratio':>8}{'fewest':>8}{'most':>8}")
    for work in works:
        try:
            rounds = []
            for _ in range(arguments.rounds):
                ours = seconds_of([OURS, "-q", "bench", work, "--json", "-", "--device", arguments.device])
                rounds.append((ours, seconds_of(peers[arguments.peer](work))))
        except Failed as failure:
            print(f"{work:<20}{failure}", flush=True)
            continue
        ours, theirs = (statistics.median(column) for column in zip(*rounds))
        ratios = [ours / theirs for ours, theirs in rounds]
        cells = [f"{ours:.4g} s", f"{theirs:.4g} s"]
        print(f"{work:<20}{cells[0]:>12}{cells[1]:>12}{statistics.median(ratios):>8.2f}"
              f"{min(ratios):>8.2f}{max(ratios):>8.2f}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Strategy against attack: the table of docs/federation.md.

    cargo build --release && target/release/fedfunnel data fetch mnist
    python3 benches/attacks.py --seeds 3

20 collaborators with 300 images of MNIST each, 4 of them attackers, 30 rounds of one local epoch, plain SGD. Prints the mean
accuracy on all 10,000 test images over the seeds, and half of its range.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/fedfunnel"
SHARED = [
    "images=6000", "collaborators=20", "rounds=30", "batch=20", "test_every=30", "local_tests=none", 'codecs=["raw"]',
    'optimizer={kind="sgd",lr=0.1,momentum=0.0}',
]
ATTACKS = {
    "none": [],
    "sign-flip": ['attack={kind="sign-flip",part=0.2,strength=5.0}'],
    "scaled": ['attack={kind="scaled",part=0.2}'],
    "noise": ['attack={kind="noise",part=0.2,strength=10.0}'],
    "label-flip": ['attack={kind="label-flip",part=0.2}'],
    "little": ['attack={kind="little",part=0.2}'],
}
STRATEGIES = {
    "fedavg": ["strategy=fedavg"],
    "fedavg, longest = 2": ["strategy=fedavg", "faults={longest=2.0}"],
    "normbound, bound = 1": ['strategy={preset="normbound",combine={bound=1.0}}'],
    "fedmedian": ["strategy=fedmedian"],
    "fedtrimmedavg": ["strategy=fedtrimmedavg"],
    "krum": ['strategy={preset="krum",combine={byzantine=4}}'],
    "multikrum": ['strategy={preset="multikrum",combine={byzantine=4}}'],
    "rfa": ["strategy=rfa"],
}


def accuracy(settings, seed):
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAM, "simulate", "mnist", "--json", "-q", "--out", pathlib.Path(folder) / "run"]
        for setting in [*SHARED, f"seed={seed}", *settings]:
            command += ["--set", setting]
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if ran.returncode != 0:
            return None
        return 100 * json.loads(ran.stdout)["runs"]["raw"]["final_accuracy"]


def cell(strategy, attack, seeds):
    found = [accuracy(STRATEGIES[strategy] + ATTACKS[attack], seed) for seed in range(1, seeds + 1)]
    if None in found:
        return "diverges"
    return f"{sum(found) / len(found):.1f} ± {(max(found) - min(found)) / 2:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    print("| |" + "".join(f" {name} |" for name in ATTACKS))
    print("|---|" + "---|" * len(ATTACKS))
    for strategy in STRATEGIES:
        cells = [cell(strategy, attack, seeds) for attack in ATTACKS]
        print(f"| {strategy} |" + "".join(f" {text} |" for text in cells), flush=True)


if __name__ == "__main__":
    main()

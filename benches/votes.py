#!/usr/bin/env python3
"""Votes on rankings against robust averages: FRL beside the mean, the median and Krum, with and without attackers.

    cargo build --release && target/release/fedfunnel data fetch mnist
    python3 benches/votes.py --seeds 3
    python3 benches/votes.py --model conv4 --images 60000 --collaborators 50 --rounds 100 --epochs 2

All train the same net on the same images, 20 % of the collaborators turn their updates around: weights that have gone as
far the other way, and reversed rankings. Prints the mean accuracy on all 10,000 test images over the seeds, and half of
its range.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/fedfunnel"
SGD = 'optimizer={kind="sgd",lr=0.1,momentum=0.0}'
RAW = ['codecs=["raw"]', SGD]


def systems(arguments):
    byzantine = arguments.collaborators // 5
    frl = f'codecs=["raw",{{system="frl",keep={arguments.keep},lr={arguments.lr},refresh={arguments.refresh}}}]'
    return {
        "fedavg": ["raw", *RAW, "strategy=fedavg"],
        "fedmedian": ["raw", *RAW, "strategy=fedmedian"],
        "krum": ["raw", *RAW, f'strategy={{preset="krum",combine={{byzantine={byzantine}}}}}'],
        "frl": ["frl", frl, SGD],
    }


ATTACKS = {
    "none": [],
    "sign-flip": ['attack={kind="sign-flip",part=0.2}'],
    "sign-flip, 5 times as far": ['attack={kind="sign-flip",part=0.2,strength=5.0}'],
}


def accuracy(arguments, system, settings, seed):
    shared = [
        f"model={arguments.model}", f"images={arguments.images}", f"collaborators={arguments.collaborators}",
        f"rounds={arguments.rounds}", f"test_every={arguments.rounds}", f"local_epochs={arguments.epochs}",
        f"batch={arguments.batch}", "local_tests=none", f"seed={seed}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        program = arguments.program
        command = [program, "simulate", "mnist", "--json", "-q", "--out", pathlib.Path(folder) / "run"]
        for setting in [*shared, *settings]:
            command += ["--set", setting]
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if ran.returncode != 0:
            return None
        runs = json.loads(ran.stdout)["runs"]
        # The label has the options that are not as usual.
        own = [run for label, run in runs.items() if label.startswith(system)]
        return 100 * own[0]["final_accuracy"]


def cell(arguments, system, settings):
    found = [accuracy(arguments, system, settings, seed) for seed in range(1, arguments.seeds + 1)]
    if None in found:
        return "diverges"
    return f"{sum(found) / len(found):.1f} ± {(max(found) - min(found)) / 2:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="mnist-mlp")
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--collaborators", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--keep", type=float, default=0.5, help="the part of each matrix that frl keeps")
    parser.add_argument("--lr", type=float, default=0.4, help="frl's rate on the scores")
    parser.add_argument("--refresh", type=int, default=1, help="steps after which frl looks at its scores anew")
    arguments = parser.parse_args()
    print("| |" + "".join(f" {name} |" for name in ATTACKS))
    print("|---|" + "---|" * len(ATTACKS))
    for name, (system, *settings) in systems(arguments).items():
        cells = [cell(arguments, system, settings + attack) for attack in ATTACKS.values()]
        print(f"| {name} |" + "".join(f" {text} |" for text in cells), flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compiles every kernel, in all its variants, with the compilers of the back ends that wgpu has.

    tools/compilers/check.py              with all of them
    tools/compilers/check.py spirv tint   with those that are named; --quick: with those that take under a minute
    tools/compilers/check.py --install    the same, after installing what they need with apt-get (Debian)
    tools/compilers/check.py --self-test  shows that mistakes come out as such

A test writes the kernels in the language of each compiler; so it needs cargo. What a compiler refuses, or takes more of
the processor's seconds for than --seconds, is a FAIL with its message, and ends with exit code 1.

Of the processor, all kernels take FXC 13 s, DXC 9 s, spirv-val 2 s and Tint 1 s; the first start under wine
takes half a minute more, and the test that writes the kernels as long as its build.
"""

import argparse
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from compilers import COMPILERS, HERE, QUICK, install

ROOT = HERE.parent.parent


def write_kernels(profile):
    """Has a test write every kernel for every compiler; the folder."""
    cargo = os.environ.get("CARGO", "cargo")
    test = [cargo, "test", *profile, "--quiet", "--test", "kernels", "emitted::"]
    subprocess.run(test, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    metadata = [cargo, "metadata", "--no-deps", "--format-version", "1"]
    found = subprocess.run(metadata, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    return Path(json.loads(found)["target_directory"]) / "tmp" / "emitted"


def read_list(folder):
    """The kernels of a folder: file, entry point, variant."""
    lines = (folder / "list.tsv").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    return [(folder / file, entry, variant) for file, entry, _, variant in fields]


def compile_all(kernels, command, environment, limit):
    """Yields seconds, whether the compiler took it, and its message, for one kernel after the other."""
    rest = list(kernels)
    while rest:
        process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace",
        )
        lines = queue.Queue()

        def read(output=process.stdout):
            for line in output:
                lines.put(line.rstrip("\n"))
            lines.put(None)

        def write(given=process.stdin, kernels=tuple(rest)):
            with contextlib.suppress(BrokenPipeError):
                given.write("".join(f"{path}\t{entry}\n" for path, entry, _ in kernels))
                given.close()

        threading.Thread(target=read, daemon=True).start()
        threading.Thread(target=write, daemon=True).start()
        # One that never ends, or takes the program with it, is left behind; a new program goes on after it.
        while rest:
            try:
                line = lines.get(timeout=limit)
            except queue.Empty:
                yield limit, False, f"not done after {limit:g} s"
                rest.pop(0)
                break
            if line is None:
                yield 0.0, False, "the compiler ended without a word"
                rest.pop(0)
                break
            if line.startswith("end\t"):
                _, seconds, outcome, message = line.split("\t", 3)
                yield float(seconds), outcome == "ok", message
                rest.pop(0)
        process.kill()
        process.wait()


def report(compiler, kernels, results, slow, verbose=False):
    """Prints a line for each kernel that fails, or for all of them, and one for the compiler; the exit code."""
    failed = total = 0
    seconds_in_all = 0.0
    worst, slowest = -1.0, ""
    for (path, entry, variant), (seconds, taken, message) in zip(kernels, results):
        if taken and seconds > slow:
            taken, message = False, f"takes longer than {slow:g} s"
        name = f"{entry} {variant}".strip()
        if verbose or not taken:
            print(f"{'ok  ' if taken else 'FAIL'} {seconds:7.2f} s  {compiler} {name} ({path.name})", flush=True)
        if not taken:
            print(f"                {message}", flush=True)
        failed += not taken
        total += 1
        seconds_in_all += seconds
        if seconds > worst:
            worst, slowest = seconds, name
    if total == 0:
        print(f"FAIL: there is no kernel for {compiler}")
        return 1
    took = f"the slowest in {worst:.2f} s ({slowest}), all in {seconds_in_all:.0f} s"
    print(f"{compiler:6} {total - failed} of {total} compile, {took}", flush=True)
    return 1 if failed else 0


def main():
    names = [compiler.name for compiler in COMPILERS]
    about = "\n".join(f"  {compiler.name:6} {compiler.about}" for compiler in COMPILERS)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n{about}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("compilers", nargs="*", metavar="COMPILER", help=f"{', '.join(names)} (default: all)")
    parser.add_argument("--quick", action="store_true", help=f"those that are quick: {', '.join(QUICK)}")
    parser.add_argument("--install", action="store_true", help="install what they need, with apt-get")
    parser.add_argument("--self-test", action="store_true", help="show that mistakes come out as such")
    parser.add_argument("--table-only", action="store_true", help="with --self-test: without any compiler")
    parser.add_argument("--release", action="store_true", help="have the kernels written by a release build")
    parser.add_argument("--folder", type=Path, help="what the test has written, instead of writing it anew")
    parser.add_argument("--seconds", type=float, default=5.0, help="longest that a kernel may take (default 5)")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds by the clock until it is given up (default 300)")
    parser.add_argument("--only", default="", help="compile only entry points with this in their name")
    parser.add_argument("--verbose", action="store_true", help="a line for each kernel")
    options = parser.parse_args()
    if unknown := [name for name in options.compilers if name not in names]:
        parser.error(f"there is no {unknown[0]}; there are {', '.join(names)}")
    wanted = options.compilers or (QUICK if options.quick else names)
    chosen = [compiler for compiler in COMPILERS if compiler.name in wanted]
    if options.install:
        install(chosen)
    if options.self_test:
        from self_test import self_test

        return self_test([] if options.table_only else chosen, ROOT / "target" / "compilers")
    started = [(compiler, compiler.start(ROOT / "target" / "compilers")) for compiler in chosen]
    folder = options.folder or write_kernels(["--release"] if options.release else [])
    code = 0
    for compiler, (command, environment) in started:
        kernels = [kernel for kernel in read_list(folder / compiler.folder) if options.only in kernel[1]]
        results = compile_all(kernels, command, environment, options.limit)
        code |= report(compiler.name, kernels, results, options.seconds, options.verbose)
    return code


if __name__ == "__main__":
    sys.exit(main())

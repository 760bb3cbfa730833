#!/usr/bin/env python3
"""Compiles every kernel with FXC, the shader compiler that wgpu's DX12 falls back to on a plain Windows.

    tools/fxc/check.py              writes the kernels as HLSL, compiles them, prints a line for each
    tools/fxc/check.py --install    the same, after installing what it needs with apt-get (Debian, as root)
    tools/fxc/check.py --self-test  shows that mistakes come out as such

It needs cargo, npm (for d3dcompiler_47.dll, of the package `webgpu`), wine and gcc-mingw-w64-x86-64. What FXC refuses,
or takes longer for than --seconds, is a FAIL with FXC's message, and ends with exit code 1.
"""

import argparse
import contextlib
import io
import json
import os
import queue
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The npm package whose Windows build brings FXC.
PACKAGE = "webgpu@0.6.2"
DLL = "package/dist/win32-x64/d3dcompiler_47.dll"
# Each program that is run, and the Debian packages that it comes with.
NEEDED = {
    "wine": ["wine", "wine64"],
    "x86_64-w64-mingw32-gcc": ["gcc-mingw-w64-x86-64"],
    "npm": ["npm"],
}


def install():
    packages = sorted({package for name in NEEDED if not shutil.which(name) for package in NEEDED[name]})
    if packages:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update"], check=True)
        command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, env=environment)


def prepare(work):
    """The command that compiles what its input lists, and the environment it runs in."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        packages = " ".join(package for name in missing for package in NEEDED[name])
        sys.exit(f"{', '.join(missing)} not found; run with --install, or install {packages}")
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "d3dcompiler_47.dll").exists():
        pack = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(work)]
        archive = subprocess.run(pack, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        with tarfile.open(work / archive) as files:
            (work / "d3dcompiler_47.dll").write_bytes(files.extractfile(DLL).read())
    program = work / "compile.exe"
    gcc = ["x86_64-w64-mingw32-gcc", "-O1", "-Wall", str(HERE / "compile.c"), "-o", str(program)]
    subprocess.run(gcc, check=True)
    environment = {
        **os.environ,
        "WINEPREFIX": str(work / "wine"),
        "WINEDEBUG": "-all",
        # The one beside the program, not wine's own; and no questions about .NET and HTML.
        "WINEDLLOVERRIDES": "d3dcompiler_47=n;mscoree,mshtml=",
    }
    # Its first start makes a home for it, which is not to count as the first kernel's time.
    subprocess.run(["wine", str(program)], stdin=subprocess.DEVNULL, check=True, env=environment)
    return ["wine", str(program)], environment


def write_kernels():
    """Has a test write every kernel as HLSL; the folder."""
    cargo = os.environ.get("CARGO", "cargo")
    subprocess.run([cargo, "test", "--test", "kernels", "for_fxc"], check=True, cwd=ROOT)
    metadata = [cargo, "metadata", "--no-deps", "--format-version", "1"]
    found = subprocess.run(metadata, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    return Path(json.loads(found)["target_directory"]) / "tmp" / "hlsl"


def read_list(folder):
    """The kernels of a folder: file, entry point, variant."""
    lines = (folder / "list.tsv").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    return [(folder / file, entry, variant) for file, entry, _, variant in fields]


def compile_all(kernels, command, environment, limit):
    """Yields seconds, whether FXC took it, and its message, for one kernel after the other."""
    rest = list(kernels)
    while rest:
        process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            encoding="utf-8", errors="replace",
        )
        lines = queue.Queue()

        def read(output=process.stdout):
            for line in output:
                lines.put(line.rstrip("\n"))
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("".join(f"{path}\t{entry}\n" for path, entry, _ in rest))
            process.stdin.close()
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


def report(kernels, results, slow):
    """Prints a line for each kernel as it comes; the exit code."""
    failed = total = 0
    worst = 0.0
    for (path, entry, variant), (seconds, taken, message) in zip(kernels, results):
        if taken and seconds > slow:
            taken, message = False, f"takes longer than {slow:g} s"
        name = f"{entry} {variant}".strip()
        print(f"{'ok  ' if taken else 'FAIL'} {seconds:7.2f} s  {name}", flush=True)
        if not taken:
            print(f"                {message}", flush=True)
        failed += not taken
        total += 1
        worst = max(worst, seconds)
    if total == 0:
        print("FAIL: there is no kernel")
    print(f"{total - failed} of {total} kernels compile, the slowest in {worst:.2f} s")
    return 1 if failed or total == 0 else 0


# Stands in for the compiler, so that the table can be tested without wine: does what a file's text says.
PRETENDER = """
import sys, time
for line in sys.stdin:
    path, entry = line.rstrip().split("\\t")
    print("begin", flush=True)
    text = open(path).read()
    if text == "hang": time.sleep(60)
    if text == "crash": sys.exit(1)
    print("end\\t" + text, flush=True)
"""

GOOD = "RWByteAddressBuffer r : register(u0);\n[numthreads(8, 1, 1)] void good(uint3 id : SV_DispatchThreadID)"
# An array in a struct, written at a computed place: FXC unrolls the loop around it, whose length it does not know.
ENDLESS = """ByteAddressBuffer s : register(t0); RWByteAddressBuffer r : register(u0); cbuffer c : register(b0) { uint n; }
struct Tile { float4 g[4]; };
[numthreads(8, 1, 1)] void endless(uint3 id : SV_DispatchThreadID) {
    Tile tile = (Tile)0;
    for (uint b = 0; b < n; b++) { tile.g[b % 4] += asfloat(s.Load4(b * 16)); }
    r.Store(id.x, asuint(tile.g[id.x].x));
}"""


def self_test(prepared):
    def run(files, command, environment, limit=5.0, slow=5.0):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for name, text in files.items():
                (folder / f"{name}.hlsl").write_text(text)
            lines = [f"{name}.hlsl\t{name}\tshader\tTILE=4\n" for name in files]
            (folder / "list.tsv").write_text("".join(lines))
            kernels = read_list(folder)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                code = report(kernels, compile_all(kernels, command, environment, limit), slow)
        print(output.getvalue())
        return code, output.getvalue()

    def expect(outcome, code, *words):
        assert outcome[0] == code, f"exit code {outcome[0]} instead of {code}"
        for word in words:
            assert word in outcome[1], f"{word!r} is not in the output"

    pretender = ([sys.executable, "-c", PRETENDER], dict(os.environ))
    good = {"good": "0.25\tok\t", "other": "4.99\tok\t"}
    expect(run(good, *pretender), 0, "ok      0.25 s  good TILE=4", "2 of 2 kernels compile, the slowest in 4.99 s")
    wrong = {
        "refused": "0.10\tfail\t80004005 error X3511: unable to unroll loop",
        "slow": "5.01\tok\t", "endless": "hang", "dead": "crash", "good": "0.25\tok\t",
    }
    expect(
        run(wrong, *pretender, limit=1.0), 1,
        "FAIL    0.10 s  refused TILE=4", "error X3511: unable to unroll loop",
        "FAIL    5.01 s  slow TILE=4", "takes longer than 5 s",
        "FAIL    1.00 s  endless TILE=4", "not done after 1 s",
        "FAIL    0.00 s  dead TILE=4", "the compiler ended without a word",
        "ok      0.25 s  good TILE=4", "1 of 5 kernels compile",
    )
    expect(run({}, *pretender), 1, "FAIL: there is no kernel")
    if prepared:
        good = GOOD + " { r.Store(id.x * 4, id.x); }"
        expect(run({"good": good}, *prepared), 0, "1 of 1 kernels compile")
        wrong = {"good": GOOD + " { r.Store(id.x * 4, id.x) }", "endless": ENDLESS, "absent": good}
        expect(
            run(wrong, *prepared), 1,
            "good.hlsl(2,", "error X3000: syntax error",
            "endless.hlsl(5,", "error X3511: unable to unroll loop",
            "error X3501: 'absent': entrypoint not found", "0 of 3 kernels compile",
        )
        expect(run({"good": good}, *prepared, slow=-1.0), 1, "takes longer than")
    print("mistakes come out as such")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install what it needs, with apt-get")
    parser.add_argument("--self-test", action="store_true", help="show that mistakes come out as such")
    parser.add_argument("--table-only", action="store_true", help="with --self-test: without wine and FXC")
    parser.add_argument("--folder", type=Path, help="HLSL files and their list.tsv, instead of writing them anew")
    parser.add_argument("--seconds", type=float, default=5.0, help="longest that a kernel may take (default 5)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds until it is given up (default 60)")
    parser.add_argument("--only", default="", help="compile only entry points with this in their name")
    options = parser.parse_args()
    if options.install:
        install()
    if options.self_test and options.table_only:
        return self_test(None)
    prepared = prepare(ROOT / "target" / "fxc")
    if options.self_test:
        return self_test(prepared)
    kernels = read_list(options.folder or write_kernels())
    kernels = [kernel for kernel in kernels if options.only in kernel[1]]
    return report(kernels, compile_all(kernels, *prepared, options.limit), options.seconds)


if __name__ == "__main__":
    sys.exit(main())

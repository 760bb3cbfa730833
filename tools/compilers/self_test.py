"""Shows that mistakes come out as such: in the table, and from each compiler."""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

from check import compile_all, read_list, report

# Stands in for a compiler, so that the table can be tested without one: does what a file's text says.
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


def run(files, ending, command, environment, limit=30.0, slow=30.0):
    """Compiles files by their entry points; exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, text in files.items():
            (folder / f"{name}.{ending}").write_bytes(text)
        lines = [f"{name}.{ending}\t{name}\tshader\tTILE=4\n" for name in files]
        (folder / "list.tsv").write_text("".join(lines))
        kernels = read_list(folder)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            results = compile_all(kernels, command, environment, limit)
            code = report("some", kernels, results, slow, verbose=True)
    print(output.getvalue())
    return code, output.getvalue()


def expect(outcome, code, *words):
    assert outcome[0] == code, f"exit code {outcome[0]} instead of {code}"
    for word in words:
        assert word in outcome[1], f"{word!r} is not in the output"


def test_table():
    pretender = ("hlsl", [sys.executable, "-c", PRETENDER], dict(os.environ))
    good = {"good": b"0.25\tok\t", "other": b"4.99\tok\t"}
    expect(
        run(good, *pretender), 0,
        "ok      0.25 s  some good TILE=4", "2 of 2 compile, the slowest in 4.99 s (other TILE=4)",
    )
    wrong = {
        "refused": b"0.10\tfail\t80004005 error X3511: unable to unroll loop",
        "slow": b"5.01\tok\t", "endless": b"hang", "dead": b"crash", "good": b"0.25\tok\t",
    }
    expect(
        run(wrong, *pretender, limit=8.0, slow=5.0), 1,
        "FAIL    0.10 s  some refused TILE=4", "error X3511: unable to unroll loop",
        "FAIL    5.01 s  some slow TILE=4", "takes longer than 5 s",
        "FAIL    8.00 s  some endless TILE=4", "not done after 8 s",
        "FAIL    0.00 s  some dead TILE=4", "the compiler ended without a word",
        "ok      0.25 s  some good TILE=4", "1 of 5 compile",
    )
    expect(run({}, *pretender), 1, "FAIL: there is no kernel")


def self_test(compilers, work):
    test_table()
    for compiler in compilers:
        started = compiler.start(work)
        count = len(compiler.good)
        expect(run(compiler.good, compiler.ending, *started), 0, f"{count} of {count} compile")
        wrong = {name: text for name, (text, _) in compiler.wrong.items()}
        words = [words for _, words in compiler.wrong.values()]
        expect(run(wrong, compiler.ending, *started), 1, f"0 of {len(wrong)} compile", *words)
        expect(run(compiler.good, compiler.ending, *started, slow=-1.0), 1, "takes longer than")
    print("mistakes come out as such")
    return 0

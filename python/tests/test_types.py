"""The stubs say what the extension has, with the same names and defaults."""

import subprocess
import sys

import pytest


def test_the_stubs_are_those_of_the_extension():
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "fedfunnel._fedfunnel"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_called_as_the_types_say_is_content_with_them(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "called.py").write_text(
        "import fedfunnel\n"
        "model = fedfunnel.Classifier('mnist-mlp', fedfunnel.Device(0), seed=1)\n"
        "codec = fedfunnel.Codec('raw', model=model)\n"
        "message: bytes = codec.encode(model.weights, model.weights)\n"
        "accuracy = fedfunnel.simulate('demo', settings={'rounds': 1})['runs']\n"
    )
    (tmp_path / "wrong.py").write_text("import fedfunnel\nfedfunnel.Codec(7, parameters='many')\n")
    for name, due in (("called.py", 0), ("wrong.py", 1)):
        command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == due, done.stdout + done.stderr

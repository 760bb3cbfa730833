"""Adapters, and processes that may not use them."""

import os
import subprocess
import sys
import textwrap

import fedfunnel
import pytest


def test_the_adapter_that_auto_opens_is_listed_as_chosen():
    chosen = [adapter for adapter in fedfunnel.devices() if adapter["chosen"]]
    assert [adapter["name"] for adapter in chosen] == [fedfunnel.Device().name]


def test_an_adapter_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="there are: 0"):
        fedfunnel.Device("geforce-99")
    with pytest.raises(TypeError, match="neither a name nor a number"):
        fedfunnel.Device(1.5)


def run(script):
    code = textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_after_the_device_was_opened_is_refused_instead_of_hanging():
    said = run("""
        import os, warnings, fedfunnel
        warnings.simplefilter("ignore")
        model = fedfunnel.Classifier("mnist-mlp")
        codec = fedfunnel.Codec("delta+f16", parameters=4)
        (images, labels), _ = fedfunnel.load_data()
        child = os.fork()
        if child == 0:
            for use in (
                lambda: model.train(images[:9], labels[:9]),
                lambda: fedfunnel.Device(),
                lambda: fedfunnel.devices(),
                lambda: codec.to_bytes(),
            ):
                try:
                    use()
                    print("it ran")
                except RuntimeError as error:
                    print(error)
            del model, codec
            print("done", flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(model.train(images[:9], labels[:9])[0]["samples"])
    """)
    lines = said.splitlines()
    assert len(lines) == 6, said
    assert all("was forked from" in line and "spawn" in line for line in lines[:4]), said
    # The parent is as it was.
    assert lines[5] == "9"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_before_any_device_was_opened_has_its_own():
    said = run("""
        import os, fedfunnel
        child = os.fork()
        if child == 0:
            print(fedfunnel.Classifier("mnist-mlp").parameters, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)
    assert said.split() == ["15910"]

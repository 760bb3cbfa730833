"""Ctrl-C in the middle of some work."""

import contextlib
import os
import signal
import threading
import time

import pytest


@contextlib.contextmanager
def interrupted(after, within=0.2):
    """Sends this process SIGINT after so many seconds of what is done in here, which has to raise KeyboardInterrupt so soon
    after it. Work that is done before that fails the test, and is sent nothing: a signal that came later would end the
    tests themselves."""
    done, sent = threading.Event(), []

    def interrupt():
        if not done.wait(after):
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        late = time.monotonic() - sent[0]
    finally:
        done.set()
        thread.join()
    assert late < within

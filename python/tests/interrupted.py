"""Ctrl-C in the middle of some work."""

import contextlib
import faulthandler
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
    # Where tests were started in the background, the shell has told them to ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Work that no signal ends would never end by itself.
    faulthandler.dump_traceback_later(after + 60, exit=True)

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
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGINT, handler)
    assert late < within

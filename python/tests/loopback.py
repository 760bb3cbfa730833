"""A SuperLink with SuperNodes on this machine, for a test and for what docs/deployment.md says was measured.

    python loopback.py flower-mnist 'codec="raw"'                    what Flower counted, and how long it took
    python loopback.py --secure flower-mnist 'codec="raw"'           with TLS and node authentication
    python loopback.py --wire flower-mnist 'codec="raw"'             and what crossed the wire between nodes and SuperLink
"""

import argparse
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def free_port():
    """A port of the loopback that nobody listens to."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


class Wire:
    """A line between nodes and the SuperLink on which bytes are counted, up and down."""

    def __init__(self, port):
        self.up = self.down = 0
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                node, _ = self.listener.accept()
                link = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            for ends in ((node, link, "up"), (link, node, "down")):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, sink, direction):
        try:
            while data := source.recv(1 << 16):
                setattr(self, direction, getattr(self, direction) + len(data))
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Federation:
    """A SuperLink and SuperNodes, from `with` to its end; every process is ended by its id.

    secure   TLS by a certificate authority of its own, and nodes that are known by their keys
    counted  nodes reach the SuperLink by a Wire
    """

    def __init__(self, folder, nodes=2, secure=False, counted=False):
        self.folder, self.nodes, self.secure, self.counted = Path(folder), nodes, secure, counted
        self.wire = None
        self.processes, self.port = [], free_port()
        self.home = self.folder / "home"
        self.environment = {
            **os.environ,
            # Components start each other by name.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FLWR_HOME": str(self.home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.05",
        }

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.wire:
            self.wire.listener.close()

    def _start(self):
        self.home.mkdir(parents=True)
        address = f"127.0.0.1:{self.port}"
        connection = f'[superlink]\ndefault = "loopback"\n\n[superlink.loopback]\naddress = "{address}"\n'
        if self.secure:
            self._make_certificates()
            connection += f'root-certificates = "{self.folder / "ca.crt"}"\n'
            link = ["--ssl-ca-certfile", self.folder / "ca.crt", "--ssl-certfile", self.folder / "server.pem"]
            link += ["--ssl-keyfile", self.folder / "server.key", "--enable-supernode-auth"]
        else:
            connection += "insecure = true\n"
            link = ["--insecure"]
        (self.home / "config.toml").write_text(connection)
        self._spawn("superlink", ["flower-superlink", *link, "--host", "127.0.0.1", "--port", str(self.port)])
        self._wait_until_healthy(60)
        if self.counted:
            self.wire = Wire(self.port)
            address = f"127.0.0.1:{self.wire.port}"
        for node in range(self.nodes):
            arguments = ["flower-supernode", "--superlink", address, "--port", str(free_port())]
            arguments += ["--node-config", f"partition-id={node} num-partitions={self.nodes}"]
            if self.secure:
                key = self.folder / f"node-{node}"
                self._make_key(key)
                self.flwr("supernode", "register", f"{key}.pub", "loopback")
                arguments += ["--root-certificates", self.folder / "ca.crt"]
                arguments += ["--auth-supernode-private-key", key]
            else:
                arguments.append("--insecure")
            self._spawn(f"supernode-{node}", arguments)

    def _spawn(self, name, arguments):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.processes.append(process)

    def _wait_until_healthy(self, seconds):
        scheme, context = "http", None
        if self.secure:
            scheme, context = "https", ssl.create_default_context(cafile=self.folder / "ca.crt")
        deadline = time.monotonic() + seconds
        while True:
            try:
                url = f"{scheme}://127.0.0.1:{self.port}/health"
                if urllib.request.urlopen(url, timeout=2, context=context).status == 200:
                    return
            except OSError:
                if time.monotonic() > deadline or self.processes[0].poll() is not None:
                    raise RuntimeError((self.folder / "superlink.log").read_text()) from None
            time.sleep(0.2)

    def _make_certificates(self):
        """A certificate authority, and a certificate of 127.0.0.1 by it."""
        at = self.folder

        def openssl(*words):
            subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        openssl("req", "-x509", *new, "-keyout", at / "ca.key", "-out", at / "ca.crt", "-subj", "/CN=ca")
        openssl("req", "-new", *new[:-2], "-keyout", at / "server.key", "-out", at / "server.csr", "-subj", "/CN=127.0.0.1")
        (at / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("x509", "-req", "-in", at / "server.csr", "-CA", at / "ca.crt", "-CAkey", at / "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", at / "names", "-out", at / "server.pem")  # fmt: skip

    def _make_key(self, path):
        """A key of a node, and beside it what the SuperLink is told of it."""
        command = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", str(path)]
        subprocess.run(command, check=True)

    def flwr(self, *words, timeout=60):
        """What the command `flwr` says."""
        command = ["flwr", *map(str, words)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def run(self, app, settings="", timeout=180):
        """Runs an app to its end; gives what it said, and what `flwr list` says of it. `flwr run` is content with runs
        that fail, so that the status is looked at there."""
        words = ["run", app, "loopback", "--stream", *(["-c", settings] if settings else [])]
        try:
            said = self.flwr(*words, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            logs = "".join(log.read_text()[-3000:] for log in sorted(self.folder.glob("*.log")))
            raise RuntimeError(f"{late}\n{logs}") from None
        listed = json.loads(self.flwr("list", "loopback", "--format", "json"))
        return said, listed["runs"][0]


def main():
    """Runs an example and says what it sent."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("app")
    arguments.add_argument("settings", nargs="?", default="")
    arguments.add_argument("--secure", action="store_true")
    arguments.add_argument("--wire", action="store_true")
    given = arguments.parse_args()
    start = time.monotonic()
    options = {"secure": given.secure, "counted": given.wire}
    with tempfile.TemporaryDirectory() as folder, Federation(folder, **options) as federation:
        up = time.monotonic() - start
        said, run = federation.run(EXAMPLES / given.app, given.settings, timeout=400)
        print(said)
        print(json.dumps(run, indent=1))
        if federation.wire:
            print(f"wire: {federation.wire.up:,} bytes up, {federation.wire.down:,} down")
    print(f"up after {up:.1f} s, ended after {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()

"""The real program as a server, on ports of its own."""

import json
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLIND = os.environ.get("BLIND_PROGRAM", str(ROOT / "build/release/blind"))


class Server:
    """A running `blind serve --tee sim`; .port is the attested one."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        ports = self.folder / "ports.json"
        addresses = [] if "--listen" in options else ["--listen", "127.0.0.1:0"]
        self.log = open(self.folder / "server.log", "wb")
        self.process = subprocess.Popen(
            [BLIND, "serve", "--tee", "sim", *addresses, "--helper-listen", "127.0.0.1:0", "--metrics-listen",
             "127.0.0.1:0", "--state-dir", self.folder / "state", "--port-file", ports, *map(str, options)],
            stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the server did not start: " + (self.folder / "server.log").read_text())
            time.sleep(0.02)
        found = json.loads(ports.read_text())
        self.port = found["attested"]
        self.url = "https://127.0.0.1:%d" % self.port
        self.policy = str(self.folder / "policy.toml")
        subprocess.run([BLIND, "policy", "create", "--tee", "sim", "--binary", BLIND, "--server", "any", "--out",
                        self.policy], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

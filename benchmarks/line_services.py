"""PostgreSQL and mosquitto from Debian's packages, for the benchmark of a line and for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
START_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until_open(port: int) -> None:
    """Returns when something listens on the port."""
    end = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, f"nothing listens on port {port}"
            time.sleep(0.05)


class Postgres:
    """A database server with the user ``plant``; ``close`` removes its data."""

    def __init__(self) -> None:
        # A folder that every user may reach; the server refuses to be root.
        self.folder, self.port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, "postgres")
        self.url = f"postgresql+pg8000://plant@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-A", "trust", "-U", "plant", "--no-sync", "-D", f"{self.folder}/data")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F"
        log = ["-l", f"{self.folder}/log"]
        self._run("pg_ctl", "-D", f"{self.folder}/data", *log, "-o", options, "-w", "start")

    def stop(self) -> None:
        """Stops it as a power cut does."""
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")

    def close(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        assert POSTGRES is not None, "needs PostgreSQL: apt install postgresql"
        command = [*self._as_user, str(POSTGRES / program), *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=START_S)


class Mosquitto:
    """A broker on a port of its own.

    Args:
        folder: where its files are.
        keeps: whether it keeps messages over a restart, until their subscribers have received them.
    """

    def __init__(self, folder: Path, keeps: bool = False) -> None:
        self.port, self._keeps = free_port(), keeps
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true"]
        if keeps:
            lines += ["persistence true", f"persistence_location {folder}/"]
            lines += ["max_queued_messages 0", *(["user root"] if os.geteuid() == 0 else [])]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None, "needs mosquitto: apt install mosquitto"
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_open(self.port)

    def stop(self) -> None:
        if self._process is not None:
            if self._keeps:
                self._process.terminate()  # it writes its messages
            else:
                self._process.kill()
            self._process.wait()
            self._process = None

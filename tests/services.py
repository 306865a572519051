"""A private PostgreSQL and a private Redis, on free ports, in temporary folders.

``python -m tests.services -- COMMAND`` starts both, runs the command on them, stops both and passes on the
command's exit code.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.environment import DATABASE_VARIABLE, REDIS_VARIABLE

START_LIMIT = 30.0
STOP_LIMIT = 10.0


class ServiceError(Exception):
    """A service did not start, or the machine lacks its program."""


def free_port() -> int:
    """Return a TCP port of this machine that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Service:
    """A server process of our own that can be stopped, killed and started again at the same address."""

    program = ""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"chain-chat-{self.program}-"))
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def user(self) -> str | None:
        """The system user that runs it; None for our own."""
        return None

    def prepare(self) -> None:
        """Make what has to be there before the first start."""

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        raise NotImplementedError

    def is_up(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers. Raises ``ServiceError``."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, user=self.user, group=self.user
            )
        deadline = time.monotonic() + START_LIMIT
        while not self.is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"{self.program} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it with a signal and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSQL(Service):
    """A PostgreSQL that keeps nothing: no fsync, every connection trusted, files gone at the end."""

    program = "postgresql"
    careless: tuple[str, ...] = ("fsync", "synchronous_commit", "full_page_writes")

    @property
    def url(self) -> str:
        """The ``DATABASE_URL`` of its first database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the ``DATABASE_URL`` of one of its databases."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster."""
        if self.user:
            shutil.chown(self.folder, self.user, self.user)
        options = [
            "-D",
            "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        made = subprocess.run(
            [self._binary("initdb"), *options],
            cwd=self.folder, user=self.user, group=self.user, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise ServiceError(f"initdb failed: {made.stderr}")

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        careless = [f"-c{name}=off" for name in self.careless]
        where = ["-D", "data", "-k", str(self.folder), "-p", str(self.port), "-h", "127.0.0.1"]
        return [self._binary("postgres"), *where, *careless, "-cmax_connections=300"]

    def is_up(self) -> bool:
        """Whether it takes connections."""
        ask = [self._binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, check=False).returncode == 0

    @property
    def user(self) -> str | None:
        """The system's own user for it when we are root, whom PostgreSQL refuses."""
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam("postgres").pw_name
        except KeyError:
            raise ServiceError("PostgreSQL does not run as root, and there is no user 'postgres'.") from None

    def _binary(self, name: str) -> str:
        # Debian keeps them out of PATH, one folder for each version.
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        binary = str(found[-1]) if found else shutil.which(name)
        if binary is None:
            raise ServiceError(f"PostgreSQL's {name} is missing: apt-get install postgresql")
        return binary


class DurablePostgreSQL(PostgreSQL):
    """One that a test may stop at once: what it has committed is there again when it starts."""

    careless = ()


class Redis(Service):
    """A Redis that keeps nothing."""

    program = "redis"

    @property
    def url(self) -> str:
        """The ``REDIS_URL``."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        binary = shutil.which("redis-server")
        if binary is None:
            raise ServiceError("redis-server is missing: apt-get install redis-server")
        nothing_kept = ["--save", "", "--appendonly", "no"]
        return [binary, "--bind", "127.0.0.1", "--port", str(self.port), *nothing_kept]

    def is_up(self) -> bool:
        """Whether it answers a ping."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


@contextlib.contextmanager
def both() -> Iterator[dict[str, str]]:
    """Run a PostgreSQL and a Redis; give the variables that name them to the tests."""
    with PostgreSQL() as postgresql, Redis() as redis:
        yield {DATABASE_VARIABLE: postgresql.url, REDIS_VARIABLE: redis.url}


def main(arguments: list[str]) -> int:
    """Run the command behind ``--`` on private services and return its exit code."""
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.stderr.write("usage: python -m tests.services -- COMMAND …\n")
        return 2
    # A plain SIGTERM would end this process and leave the services behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with both() as variables, subprocess.Popen(arguments[1:], env=os.environ | variables) as command:
        try:
            return command.wait()
        except BaseException:
            command.terminate()
            raise


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServiceError as error:
        sys.exit(f"The services of the tests did not start. {error}")

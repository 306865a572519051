"""One installation on several hosts, each of which may die, sleep and come back."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import environment
from tests.servers import CommandProcess, Server, lay_out, own_database
from tests.services import Redis


@dataclass
class Site:
    """What serves one database: a web host, and worker hosts where runs have processes of their own."""

    web: Server
    workers: list[Server] = field(default_factory=list)
    redis: Redis | None = None

    @property
    def runners(self) -> list[Server]:
        """The hosts that carry out runs."""
        return self.workers or [self.web]

    @property
    def all_hosts(self) -> list[Server]:
        return [self.web, *self.workers]

    def begin(self, host: Server, **variables: str) -> None:
        """Start what a host is there for, again if it died."""
        if host is self.web:
            host.start_web(**variables)
        else:
            host.start_worker(**variables)

    def another_host(self, name: str) -> Server:
        """Have one more host of the same database; nothing runs on it yet."""
        folder = self.web.folder / name
        folder.mkdir()
        own = {"VAR_DIR": str(folder), "PORT": ""}
        shared = {key: value for key, value in self.web.environment.items() if key not in own}
        return Server(folder, shared)

    def add_worker(self, name: str) -> Server:
        """Have one more host for a worker; nothing runs on it yet."""
        self.workers.append(self.another_host(name))
        return self.workers[-1]

    def logs(self) -> str:
        """Return all that its processes have said."""
        paths = [path for host in self.all_hosts for path in (host.log, host.worker_log)]
        return "".join(path.read_text() for path in paths if path.exists())


@contextlib.contextmanager
def site(folder: Path, *, workers: int = 2, database: str = "", **variables: str) -> Iterator[Site]:
    """Serve an installation of the suite's set-up, with that many worker hosts if they are separate."""
    with contextlib.ExitStack() as stack:
        lay_out(folder)
        if not environment.has_services():
            hosts = Site(Server(folder, variables))
            workers = 0
        else:
            redis = stack.enter_context(Redis())
            shared = {
                "DATABASE_URL": database or own_database(),
                "REDIS_URL": redis.url,
                "RUN_WORKERS": "separate",
            }
            hosts = Site(Server(folder, shared | variables), redis=redis)
        stack.callback(_stop_all, hosts)
        hosts.web.start_web()
        for number in range(1, workers + 1):
            hosts.begin(hosts.add_worker(f"worker-{number}"))
        yield hosts


def _stop_all(hosts: Site) -> None:
    with contextlib.ExitStack() as ends:
        for host in hosts.all_hosts:
            ends.callback(host.stop)


def process_of(hosts: Site, host: Server) -> CommandProcess:
    """Return the process that a host is there for."""
    process = host.web if host is hosts.web else host.worker
    assert process, "it was not started"
    return process


@contextlib.contextmanager
def asleep(process: CommandProcess) -> Iterator[None]:
    """Let a process sleep, as a laptop that is closed or a machine that swaps; it wakes up at the end."""
    process.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.process.send_signal(signal.SIGCONT)

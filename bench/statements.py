"""The application's settings, and a file for each process that says how many statements it has sent.

An installation of its own uses them, because counting takes time. ``BENCH_STATEMENTS`` names the folder.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from chainchat.settings import *  # noqa: F403

SIZE = 8
_folder = Path(os.environ["BENCH_STATEMENTS"])


def _counter() -> mmap.mmap:
    path = _folder / str(os.getpid())
    path.write_bytes(bytes(SIZE))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), SIZE)


_counted = _counter()


def _count(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
    _counted[:] = (int.from_bytes(_counted[:], "little") + 1).to_bytes(SIZE, "little")
    return execute(sql, parameters, many, context)


def _watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


connection_created.connect(_watch)

"""The secret key of an installation that was not given one."""

import contextlib
import os
import secrets
from pathlib import Path


def read_or_make_secret_key(path: Path) -> str:
    """Return the key in ``path``; make it on first use, readable by its owner alone."""
    if not path.exists():
        made = path.with_name(f".{path.name}-{os.getpid()}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(50))
        # Of processes that start at once the first one's key holds; none ever reads half a file.
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    return path.read_text().strip()

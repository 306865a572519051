"""The secret key of an installation that was not given one."""

import secrets
from pathlib import Path


def read_or_make_secret_key(path: Path) -> str:
    """Return the key in ``path``; make it on first use, readable by its owner alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text().strip()

"""Stylesheets, icons and vendored files fit together."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CSS = ROOT / "static/css"
# The admin has Django's stylesheets; ours for it is not part of app.css.
OURS = [path for path in sorted(CSS.glob("*.css")) if path.name != "admin.css"]


def test_every_stylesheet_is_imported_once_and_exists() -> None:
    imported = re.findall(r'@import url\("([\w-]+\.css)"\)', (CSS / "app.css").read_text())

    assert sorted(imported) == [path.name for path in OURS if path.name != "app.css"]


def test_every_stylesheet_lives_in_layers_that_the_first_line_orders() -> None:
    layers = re.search(r"^@layer ([\w, ]+);$", (CSS / "app.css").read_text(), re.MULTILINE)
    assert layers
    used = [re.findall(r"^@layer (\w+) \{", path.read_text(), re.MULTILINE) for path in OURS]

    assert {name for names in used for name in names} <= set(layers[1].split(", "))
    assert used.count([]) == 1  # app.css itself


def test_every_token_that_a_stylesheet_uses_is_defined_somewhere() -> None:
    styles = "".join(path.read_text() for path in OURS)
    defined = set(re.findall(r"(--[\w-]+):", styles))
    # With a fallback a token may be missing.
    used = set(re.findall(r"var\((--[\w-]+)\)", styles))

    assert used - defined == set()


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/icons/sprite.svg").read_text()))
    templates = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    named = set(re.findall(r'"icon\.html" with name="([\w-]+)"', templates))

    assert named
    assert named - drawn == set()


def test_vendored_files_are_the_ones_that_the_list_names() -> None:
    folder = ROOT / "static/vendor"
    listed = re.findall(
        r"^\| `([\w.]+)` .*`(\w{64})` \|$", (folder / "VENDORED.md").read_text(), re.MULTILINE
    )

    assert {name for name, _ in listed} == {path.name for path in folder.glob("*.js")}
    for name, digest in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest

"""What a user can do. Plain, blocking functions; each is one transaction, and hints go out after it."""

from chains.actions.catalogue import add_listed_models, load_defaults
from chains.actions.chains import (
    ImportResult,
    create_chain,
    delete_chain,
    export_chain,
    import_chain,
    keep_chain,
    open_demo,
)
from chains.actions.errors import ActionError, NoSuchDemo, NotRunnable, RunInProgress, SessionGone
from chains.actions.library import (
    ImportPreview,
    archive_chain,
    bring_back_chain,
    duplicate_chain,
    import_text,
    preview_import,
    set_tags,
)
from chains.actions.runs import keep_run, quick_compare, start_run, stop_run, stop_step, title_of
from chains.actions.sessions import delete_session, rename_session, start_session

__all__ = [
    "ActionError",
    "ImportPreview",
    "ImportResult",
    "NoSuchDemo",
    "NotRunnable",
    "RunInProgress",
    "SessionGone",
    "add_listed_models",
    "archive_chain",
    "bring_back_chain",
    "create_chain",
    "delete_chain",
    "delete_session",
    "duplicate_chain",
    "export_chain",
    "import_chain",
    "import_text",
    "keep_chain",
    "keep_run",
    "load_defaults",
    "open_demo",
    "preview_import",
    "quick_compare",
    "rename_session",
    "set_tags",
    "start_run",
    "start_session",
    "stop_run",
    "stop_step",
    "title_of",
]

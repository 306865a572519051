"""What a user can do. Plain, blocking functions; each is one transaction, and hints go out after it."""

from chains.actions.agent_fields import as_typed
from chains.actions.agents import add_agent, duplicate_agent, move_agent, remove_agent, save_agent
from chains.actions.attachments import attach, remove_attachment, sweep_attachments
from chains.actions.catalogue import add_listed_models, load_defaults
from chains.actions.chains import (
    ImportResult,
    create_chain,
    create_empty_chain,
    delete_chain,
    export_chain,
    import_chain,
    keep_chain,
    open_demo,
)
from chains.actions.choices import choose_answer, continue_alone, unchoose_answer
from chains.actions.content import read_chain_file
from chains.actions.drafts import open_draft, redo, undo
from chains.actions.errors import (
    ActionError,
    AttachmentRefused,
    NoSuchDemo,
    NotPublishable,
    NotRunnable,
    RunInProgress,
    SessionGone,
    StaleDraft,
)
from chains.actions.library import (
    ImportPreview,
    archive_chain,
    bring_back_chain,
    duplicate_chain,
    import_text,
    preview_import,
    set_tags,
)
from chains.actions.retries import continue_run, keep_step, retry_step, run_again
from chains.actions.runs import keep_run, quick_compare, start_run, stop_run, stop_step, title_of
from chains.actions.samples import delete_sample, save_sample
from chains.actions.sessions import delete_session, rename_session, start_session
from chains.actions.settings import save_settings
from chains.actions.shares import revoke_share, share_run
from chains.actions.trials import try_draft
from chains.actions.versions import check_draft, publish_draft, restore_version

__all__ = [
    "ActionError",
    "AttachmentRefused",
    "ImportPreview",
    "ImportResult",
    "NoSuchDemo",
    "NotPublishable",
    "NotRunnable",
    "RunInProgress",
    "SessionGone",
    "StaleDraft",
    "add_agent",
    "add_listed_models",
    "archive_chain",
    "as_typed",
    "attach",
    "bring_back_chain",
    "check_draft",
    "choose_answer",
    "continue_alone",
    "continue_run",
    "create_chain",
    "create_empty_chain",
    "delete_chain",
    "delete_sample",
    "delete_session",
    "duplicate_agent",
    "duplicate_chain",
    "export_chain",
    "import_chain",
    "import_text",
    "keep_chain",
    "keep_run",
    "keep_step",
    "load_defaults",
    "move_agent",
    "open_demo",
    "open_draft",
    "preview_import",
    "publish_draft",
    "quick_compare",
    "read_chain_file",
    "redo",
    "remove_agent",
    "remove_attachment",
    "rename_session",
    "restore_version",
    "retry_step",
    "revoke_share",
    "run_again",
    "save_agent",
    "save_sample",
    "save_settings",
    "set_tags",
    "share_run",
    "start_run",
    "start_session",
    "stop_run",
    "stop_step",
    "sweep_attachments",
    "title_of",
    "try_draft",
    "unchoose_answer",
    "undo",
]

"""What a page shows, read with a constant number of queries. View models are frozen and know no request."""

from chains.queries.columns import Choice, Column, SkipView, columns
from chains.queries.diffs import FIELD_LABELS
from chains.queries.documents import answers_markdown, run_markdown
from chains.queries.editor import AgentCard, EditorPage, answers_to_test, editor_page
from chains.queries.figures import (
    Metrics,
    Totals,
    cost_text,
    duration_text,
    milliseconds_between,
    size_text,
)
from chains.queries.find import Found, Hit, find_in_session
from chains.queries.labels import spoken_list, status_label
from chains.queries.library import (
    ChainCard,
    PlanAgent,
    PlanStage,
    Theme,
    chain_library,
    chain_plan,
    file_plan,
    models_for_compare,
)
from chains.queries.offers import Offer, OfferKind, run_offer, step_offer
from chains.queries.outlook import Outlook, outlook
from chains.queries.reading import Reading, reading
from chains.queries.reports import run_export, run_report
from chains.queries.reuse import ReusableChain, reusable_agent, reusable_agents
from chains.queries.rules import RuleTrial, condition_try
from chains.queries.runs import Band, SessionPage, StageView, bands, session_page
from chains.queries.seen import AddressOf, Seen, SeenMessage, seen, sent_curl, sent_messages
from chains.queries.shelf import (
    SHELF_PAGE,
    SHELF_SORTS,
    ChainRow,
    LibraryPage,
    Shelf,
    TagChip,
    chain_row,
    library_page,
    shelf_total,
    tag_chips,
)
from chains.queries.sidebar import SidebarGroup, sidebar
from chains.queries.versions import compare_versions, version_list
from chains.queries.waterfall import Bar, Lane, Waterfall

__all__ = [
    "FIELD_LABELS",
    "SHELF_PAGE",
    "SHELF_SORTS",
    "AddressOf",
    "AgentCard",
    "Band",
    "Bar",
    "ChainCard",
    "ChainRow",
    "Choice",
    "Column",
    "EditorPage",
    "Found",
    "Hit",
    "Lane",
    "LibraryPage",
    "Metrics",
    "Offer",
    "OfferKind",
    "Outlook",
    "PlanAgent",
    "PlanStage",
    "Reading",
    "ReusableChain",
    "RuleTrial",
    "Seen",
    "SeenMessage",
    "SessionPage",
    "Shelf",
    "SidebarGroup",
    "SkipView",
    "StageView",
    "TagChip",
    "Theme",
    "Totals",
    "Waterfall",
    "answers_markdown",
    "answers_to_test",
    "bands",
    "chain_library",
    "chain_plan",
    "chain_row",
    "columns",
    "compare_versions",
    "condition_try",
    "cost_text",
    "duration_text",
    "editor_page",
    "file_plan",
    "find_in_session",
    "library_page",
    "milliseconds_between",
    "models_for_compare",
    "outlook",
    "reading",
    "reusable_agent",
    "reusable_agents",
    "run_export",
    "run_markdown",
    "run_offer",
    "run_report",
    "seen",
    "sent_curl",
    "sent_messages",
    "session_page",
    "shelf_total",
    "sidebar",
    "size_text",
    "spoken_list",
    "status_label",
    "step_offer",
    "tag_chips",
    "version_list",
]

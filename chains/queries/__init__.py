"""What a page shows, read with a constant number of queries. View models are frozen and know no request."""

from chains.queries.columns import Column, SkipView, columns
from chains.queries.figures import (
    Bar,
    Metrics,
    Totals,
    Waterfall,
    cost_text,
    duration_text,
    milliseconds_between,
)
from chains.queries.labels import spoken_list, status_label
from chains.queries.library import (
    ChainCard,
    PlanAgent,
    PlanStage,
    Theme,
    chain_library,
    chain_plan,
    models_for_compare,
)
from chains.queries.runs import Band, SessionPage, StageView, bands, session_page
from chains.queries.sidebar import SidebarGroup, sidebar

__all__ = [
    "Band",
    "Bar",
    "ChainCard",
    "Column",
    "Metrics",
    "PlanAgent",
    "PlanStage",
    "SessionPage",
    "SidebarGroup",
    "SkipView",
    "StageView",
    "Theme",
    "Totals",
    "Waterfall",
    "bands",
    "chain_library",
    "chain_plan",
    "columns",
    "cost_text",
    "duration_text",
    "milliseconds_between",
    "models_for_compare",
    "session_page",
    "sidebar",
    "spoken_list",
    "status_label",
]

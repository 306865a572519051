"""Markdown in templates."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from chains.rendering.markdown import render

register = template.Library()


@register.filter
def markdown(text: str | None) -> SafeString:
    """Render a finished answer as safe HTML."""
    return render(text or "")

"""Sample messages: what a chain is tried on again and again."""

from __future__ import annotations

from chains.actions.errors import ActionError
from chains.actions.names import tidy_name
from chains.engine.attempt import storable
from chains.models import Chain, SampleInput


def save_sample(*, chain: Chain, name: str, text: str) -> SampleInput:
    """Keep a message under a name, in the place of the one that had it. Raises ``ActionError``."""
    if not text.strip():
        raise ActionError("Type a message first.", field="input")
    sample, _ = SampleInput.objects.update_or_create(
        chain=chain, name=tidy_name(name), defaults={"text": storable(text.replace("\r\n", "\n"))}
    )
    return sample


def delete_sample(*, chain: Chain, name: str) -> None:
    """Forget a sample message."""
    SampleInput.objects.filter(chain=chain, name=name).delete()

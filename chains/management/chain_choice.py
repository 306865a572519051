"""Which chain a command works on."""

from __future__ import annotations

from django.core.management.base import CommandError

from chains.models import Chain, User


def own_chain(owner: User, slug: str) -> Chain:
    """Return one of the owner's chains that is not archived. Raises ``CommandError``."""
    chains = Chain.objects.visible_to(owner).active()
    chain = chains.filter(slug=slug).first()
    if chain is None:
        names = ", ".join(chains.named().order_by("slug").values_list("slug", flat=True))
        has = f"has these: {names}" if names else "has none yet: import one with manage.py import_chain"
        raise CommandError(f"{owner.username} has no chain “{slug}”; {owner.username} {has}.")
    return chain

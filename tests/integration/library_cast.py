"""What somebody does in the library, and which chains they see there."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from chains import actions
from chains.models import Chain, User
from tests.integration.pages_cast import chain_of

HTMX = {"HX-Request": "true"}
LIBRARY = reverse("library")


def show(client: Client, **query: Any) -> str:
    """Return the library's page."""
    response = client.get(LIBRARY, query)
    assert response.status_code == 200
    return response.content.decode()


def listed(page: str) -> list[str]:
    """Return the names of the chains that stand as rows on a page, in their order."""
    rows = re.findall(r'<li class="chain-row" id="chain-\d+".*?<h3>(.*?)</h3>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", row) for row in rows]


def do(client: Client, name: str, chain: Chain, **data: Any) -> Any:
    """Do something with a chain, by the name of its address."""
    headers = data.pop("headers", {})
    return client.post(reverse(name, args=[chain.slug]), data, headers=headers)


def named(owner: User, *names: str) -> list[Chain]:
    """Make a published chain of each name."""
    return [chain_of(owner, name=name) for name in names]


def tag(chain: Chain, *names: str) -> None:
    """File a chain under tags."""
    actions.set_tags(chain=chain, names=names)

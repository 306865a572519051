"""The chains that a user may run over the API, under the model names that programs use for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from chains.api.errors import ApiError
from chains.models import Chain, ChainVersion, User
from chains.models.chain import ChainQuerySet

_NAME = re.compile(r"chain/(?:([^/]+)/)?([-\w]+)(?:@([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Offer:
    """A published version of a chain, and its name as a model."""

    name: str
    chain: Chain
    version: ChainVersion

    @property
    def exact_name(self) -> str:
        """The name that will always mean this version."""
        return f"{self.name}@{self.version.number}"

    def as_model(self) -> dict[str, object]:
        """Return the object of ``GET /v1/models``."""
        return {
            "id": self.name,
            "object": "model",
            "created": int(self.chain.created_at.timestamp()),
            "owned_by": self.chain.owner.username,
            "name": self.chain.name,
        }


def offered_to(user: User) -> list[dict[str, object]]:
    """Return every chain that the user may run as a model object: the user's own, then shared ones."""
    published = ChainVersion.objects.published().values("chain")
    chains = _runnable_by(user).filter(pk__in=published).select_related("owner")
    own_first = sorted(chains, key=lambda chain: (chain.owner_id != user.pk, chain.name.casefold(), chain.pk))
    return [Offer(_name_for(user, chain), chain, ChainVersion()).as_model() for chain in own_first]


def find_offer(user: User, name: str) -> Offer:
    """Return what a model name means to this user.

    Raises ``ApiError`` (404), the same for a chain that is another's, archived, never published or not there.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise _no_such_model(name)
    owner, slug, number = match.groups()
    chains = _runnable_by(user).filter(owner__username=owner or user.username, slug=slug)
    chain = chains.select_related("owner").first()
    versions = chain.versions.published() if chain else ChainVersion.objects.none()
    version = versions.filter(number=number).first() if number else versions.first()
    if chain is None or version is None:
        raise _no_such_model(name)
    return Offer(_name_for(user, chain), chain, version)


def _runnable_by(user: User) -> ChainQuerySet:
    return (Chain.objects.visible_to(user).active() | Chain.objects.shared()).named()


def _name_for(user: User, chain: Chain) -> str:
    return f"chain/{chain.slug}" if chain.owner_id == user.pk else f"chain/{chain.owner}/{chain.slug}"


def _no_such_model(name: str) -> ApiError:
    return ApiError(
        f"The model “{name[:200]}” does not exist or is not yours to use: GET /v1/models lists yours.",
        status=HTTPStatus.NOT_FOUND,
        code="model_not_found",
        param="model",
    )

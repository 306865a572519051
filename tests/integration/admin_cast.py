"""The staff, for tests of the admin: carol may do everything, sam gives support and reads no texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chains.models import User


def page(table: type[Model], name: str, *arguments: object) -> str:
    """Return the address of one of a table's pages."""
    return reverse(f"admin:{table._meta.app_label}_{table._meta.model_name}_{name}", args=arguments)


def carol() -> Client:
    """Return the client of a superuser."""
    return _client(User.objects.create_superuser("carol", "carol@example.org", "tall green lamp"))


def sam(*more: str) -> Client:
    """Return the client of somebody in the support role, with more permissions if any are named."""
    user = User.objects.create_user("sam", "sam@example.org", "short blue lamp", is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    user.user_permissions.add(*Permission.objects.filter(codename__in=more))
    return _client(user)


def shown(client: Client, address: str) -> str:
    """Return the HTML of a page that opens."""
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)
    return response.content.decode()


def queries_of(client: Client, address: str) -> int:
    """Count the queries of a page that opens."""
    with CaptureQueriesContext(connection) as captured:
        shown(client, address)
    return len(captured)


@contextmanager
def no_query_about(words: str) -> Iterator[None]:
    """Hold that nothing asks the database for this."""
    with CaptureQueriesContext(connection) as captured:
        yield
    assert not [query for query in captured.captured_queries if words in query["sql"]]


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client

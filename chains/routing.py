"""Where sockets and channels lead."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path, re_path

from chains import health
from chains.consumers import RunConsumer, SessionConsumer
from chains.live import RUN_CHANNEL


def http(pages: Any) -> URLRouter:
    """Return where requests lead: to the health checks, and everything else to the pages."""
    # Types know only views behind a path; here they are ASGI applications.
    checks: list[tuple[str, Any]] = [("healthz", health.healthz), ("readyz", health.readyz)]
    return URLRouter([*(path(name, check) for name, check in checks), re_path("", pages)])


websocket = OriginValidator(
    AuthMiddlewareStack(
        URLRouter([path("ws/sessions/<int:session_id>/", SessionConsumer.as_asgi())]),
    ),
    settings.ALLOWED_ORIGINS,
)
channel = ChannelNameRouter({RUN_CHANNEL: RunConsumer.as_asgi()})

"""Where sockets and channels lead."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path

from chains.consumers import RunConsumer, SessionConsumer
from chains.live import RUN_CHANNEL

websocket = OriginValidator(
    AuthMiddlewareStack(
        URLRouter([path("ws/sessions/<int:session_id>/", SessionConsumer.as_asgi())]),
    ),
    settings.ALLOWED_ORIGINS,
)
channel = ChannelNameRouter({RUN_CHANNEL: RunConsumer.as_asgi()})

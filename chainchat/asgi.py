"""The ASGI application: pages over HTTP, live updates over sockets, runs over channels."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chainchat.settings")
pages = get_asgi_application()

# Consumers import models: only after Django is set up.
from chains import routing, static_files  # noqa: E402
from chains.turns import in_turn  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": routing.http(static_files.before(in_turn(pages))),
        "websocket": routing.websocket,
        "channel": routing.channel,
    }
)

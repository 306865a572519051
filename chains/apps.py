"""The one app."""

from django.apps import AppConfig


class ChainsConfig(AppConfig):
    """Chains, sessions and runs."""

    name = "chains"
    verbose_name = "chain-chat"

    def ready(self) -> None:
        """Register the checks."""
        from chains import checks  # noqa: F401

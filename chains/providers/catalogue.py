"""The providers that appear by themselves, with models and list prices.

Read in November 2026 from the providers' own pages (platform.claude.com, developers.openai.com,
ai.google.dev, docs.x.ai) and from price lists that quote them. Prices are USD per million tokens for prompts
of usual length; several providers charge more beyond 100,000 to 272,000 tokens, and caching costs less.
``manage.py sync_models`` reads a provider's own list, which has no prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from chains.providers.base import Endpoint, ModelFlags, TimeLimits

# Models that always reason refuse a temperature. OpenAI's want another name for the limit as well.
_REASONS = ModelFlags(temperature_allowed=False, vision=True)
_REASONS_OPENAI = ModelFlags(temperature_allowed=False, max_tokens_field="max_completion_tokens", vision=True)
_SEES = ModelFlags(vision=True)


@dataclass(frozen=True, slots=True)
class ModelPreset:
    """A model as it comes with the program. Prices are USD per million tokens, None when unknown."""

    model_id: str
    name: str
    context_window: int | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    flags: ModelFlags = ModelFlags()


@dataclass(frozen=True, slots=True)
class ProviderPreset:
    """A provider as it comes with the program, and the environment variables that it reads."""

    slug: str
    name: str
    kind: str
    base_url: str = ""
    key_variable: str = ""
    base_url_variable: str = ""
    key_required: bool = True
    models: tuple[ModelPreset, ...] = ()

    @property
    def ready_variable(self) -> str:
        """The variable that makes it appear: its key, else its address; empty if it needs neither."""
        return self.key_variable or self.base_url_variable


def _model(
    model_id: str,
    name: str,
    window: int | None,
    prices: tuple[str, str] | None = None,
    flags: ModelFlags = ModelFlags(),
) -> ModelPreset:
    given, answered = (Decimal(prices[0]), Decimal(prices[1])) if prices else (None, None)
    return ModelPreset(model_id, name, window, given, answered, flags)


FREE = ("0", "0")

PRESETS: tuple[ProviderPreset, ...] = (
    ProviderPreset(
        slug="openai",
        name="OpenAI",
        kind="openai",
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        base_url_variable="OPENAI_BASE_URL",
        models=(
            _model("gpt-6.1-sol", "GPT-6.1 Sol", 1_050_000, ("2", "10"), _REASONS_OPENAI),
            _model("gpt-6-luna", "GPT-6 Luna", 1_050_000, ("0.10", "0.50"), _REASONS_OPENAI),
            _model("gpt-6-astra", "GPT-6 Astra", 1_050_000, ("10", "50"), _REASONS_OPENAI),
            _model("gpt-5.6-terra", "GPT-5.6 Terra", 1_050_000, ("2", "12"), _REASONS_OPENAI),
            _model("gpt-5.4-mini", "GPT-5.4 mini", 400_000, ("0.75", "4.50"), _REASONS_OPENAI),
            _model("gpt-5-mini", "GPT-5 mini", 400_000, ("0.25", "2"), _REASONS_OPENAI),
            _model("gpt-4.1", "GPT-4.1", 1_047_576, ("2", "8"), _SEES),
        ),
    ),
    ProviderPreset(
        slug="anthropic",
        name="Anthropic",
        kind="anthropic",
        base_url="https://api.anthropic.com",
        key_variable="ANTHROPIC_API_KEY",
        base_url_variable="ANTHROPIC_BASE_URL",
        models=(
            _model("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, ("2", "10"), _REASONS),
            _model("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, ("0.10", "0.50"), _REASONS),
            _model("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, ("4", "20"), _REASONS),
            _model("claude-fable-5-1", "Claude Fable 5.1", 1_000_000, ("10", "50"), _REASONS),
            _model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, ("1", "5"), _SEES),
        ),
    ),
    ProviderPreset(
        slug="gemini",
        name="Google Gemini",
        kind="gemini",
        base_url="https://generativelanguage.googleapis.com",
        key_variable="GEMINI_API_KEY",
        base_url_variable="GEMINI_BASE_URL",
        models=(
            # The price of 3.8 Flash holds through December 2026.
            _model("gemini-3.8-flash", "Gemini 3.8 Flash", 1_048_576, ("0.75", "3.75"), _SEES),
            _model("gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite", 1_048_576, ("0.30", "2.50"), _SEES),
            _model("gemini-3.1-pro-preview", "Gemini 3.1 Pro", 1_048_576, ("2", "12"), _SEES),
        ),
    ),
    ProviderPreset(
        slug="xai",
        name="xAI",
        kind="openai",
        base_url="https://api.x.ai/v1",
        key_variable="XAI_API_KEY",
        models=(
            _model("grok-4.6", "Grok 4.6", 500_000, ("2", "6"), _SEES),
            _model("grok-4.5", "Grok 4.5", 500_000, ("2", "6"), _SEES),
            _model("grok-4.3", "Grok 4.3", 1_000_000, ("1.25", "2.50"), _SEES),
        ),
    ),
    ProviderPreset(
        slug="ollama",
        name="Ollama",
        kind="openai",
        base_url="http://127.0.0.1:11434/v1",
        base_url_variable="OLLAMA_BASE_URL",
        key_required=False,
        # What is installed differs from place to place, and so does the window; these are often there.
        models=(
            _model("llama3.2", "Llama 3.2", None, FREE),
            _model("qwen3", "Qwen 3", None, FREE),
            _model("gemma3", "Gemma 3", None, FREE),
        ),
    ),
    ProviderPreset(
        slug="simulated",
        name="Simulated",
        kind="simulated",
        key_required=False,
        models=(
            _model("fast", "Simulated, fast", 128_000, FREE, _SEES),
            _model("slow", "Simulated, slow", 128_000, FREE, _SEES),
            _model("flaky", "Simulated, flaky", 128_000, FREE),
            _model("broken", "Simulated, broken", 128_000, FREE),
        ),
    ),
)

_BY_SLUG = {preset.slug: preset for preset in PRESETS}
# The usual address of each kind: that of its first provider.
_USUAL_ADDRESS = {preset.kind: preset.base_url for preset in reversed(PRESETS)}


def available(env: Mapping[str, str]) -> list[tuple[ProviderPreset, Endpoint]]:
    """Return the providers whose key (for Ollama: address) is set in ``env``; simulated always."""
    ready = [preset for preset in PRESETS if not preset.ready_variable or _read(env, preset.ready_variable)]
    return [
        (
            preset,
            endpoint_for(
                slug=preset.slug,
                name=preset.name,
                kind=preset.kind,
                key_variable=preset.key_variable,
                env=env,
            ),
        )
        for preset in ready
    ]


def endpoint_for(
    *,
    slug: str,
    name: str,
    kind: str,
    env: Mapping[str, str],
    base_url: str = "",
    key_variable: str = "",
    limits: TimeLimits = TimeLimits(),
) -> Endpoint:
    """Return where a provider is reached. An empty address means the environment's, else the usual one.

    ``key_variable`` may be the preset's ``ready_variable``: one that holds an address is not sent as a key.
    """
    preset = _BY_SLUG.get(slug)
    address_variable = preset.base_url_variable if preset and preset.kind == kind else ""
    usual = preset.base_url if preset and preset.kind == kind else _USUAL_ADDRESS.get(kind, "")
    key = "" if key_variable == address_variable else key_variable
    return Endpoint(
        slug=slug,
        name=name,
        kind=kind,
        base_url=base_url or _read(env, address_variable) or usual,
        api_key=_read(env, key),
        key_variable=key,
        limits=limits,
    )


def _read(env: Mapping[str, str], variable: str) -> str:
    return env.get(variable, "").strip() if variable else ""

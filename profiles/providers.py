"""Provider catalogue: credential kinds, shapes, environment names, billing and caching facts. PURE.

``check_shape`` refuses material that cannot be a credential of a known provider and names the mistake without
repeating the value. A provider that is not in the catalogue accepts any text that is not blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SETUP_TOKEN_PREFIX: Final = "sk-ant-oat01-"
SETUP_TOKEN_MINIMUM: Final = 80


class Kind(StrEnum):
    """What sort of secret a credential is."""

    API_KEY = "api_key"
    TOKEN = "token"
    OAUTH = "oauth"


class Billing(StrEnum):
    """Who pays: per token, or out of a subscription's quota."""

    METERED = "metered"
    SUBSCRIPTION = "subscription"


class ShapeCode(StrEnum):
    """Which check a pasted value failed."""

    EMPTY = "empty"
    BAD_PREFIX = "bad_prefix"
    TOO_SHORT = "too_short"
    SHELL_COMMAND = "shell_command"
    CODE_STATE = "code_state"


@dataclass(frozen=True, slots=True)
class ShapeFinding:
    """A failed check; ``message`` is public and never holds a byte of the value."""

    code: ShapeCode
    message: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value of one kind begins with (any of) and how long it is at least; no prefix means anything."""

    prefixes: tuple[str, ...] = ()
    minimum_length: int = 1


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of one vendor; ``env_names`` stand in the order in which upstream reads them."""

    slug: str
    label: str
    env_names: tuple[str, ...]
    shapes: Mapping[Kind, Shape] = field(default_factory=dict)
    kinds: frozenset[Kind] = frozenset({Kind.API_KEY})
    dashboard_url: str = ""
    endpoint_url: str = ""


def check_shape(provider: str, kind: Kind, value: str, own_shape: Shape | None = None) -> ShapeFinding | None:
    """Return what is wrong with a pasted value, or None; surrounding white space is not part of it.

    ``own_shape`` is what an environment says of a provider's API keys; it goes before what is built in.
    """
    text = value.strip()
    if not text:
        return ShapeFinding(ShapeCode.EMPTY, "The value is empty.")
    slug = provider.strip().lower()
    known = CATALOGUE.get(slug)
    if own_shape is not None and kind is Kind.API_KEY:
        label = known.label if known is not None else slug
        return _pasted_by_mistake(text) or _outside(own_shape, kind, label, text)
    if known is None:
        return None
    return _pasted_by_mistake(text) or _misshapen(known, kind, text)


def looks_like_shell_command(value: str) -> bool:
    """Return whether a value is a command line rather than a secret: a known program followed by arguments."""
    return _SHELL_COMMAND.match(value.strip()) is not None


def billing_of(provider: str, kind: Kind) -> Billing:
    """Return how use is paid: API keys are metered, tokens and logins draw on a subscription."""
    if provider.strip().lower() in _METERED_TOKENS or kind is Kind.API_KEY:
        return Billing.METERED
    return Billing.SUBSCRIPTION


def has_prompt_caching(kind: Kind) -> bool:
    """Return whether prompt caching can be relied on; setup tokens and subscription logins do not offer it."""
    return kind is Kind.API_KEY


def env_names_of(provider: str) -> tuple[str, ...]:
    """Return the environment variables upstream reads for a provider, first wins; a guess for unknown ones."""
    slug = provider.strip().lower()
    known = CATALOGUE.get(slug)
    return known.env_names if known is not None else (f"{_ENV_UNSAFE.sub('_', slug).upper()}_API_KEY",)


def env_name_for(provider: str, kind: Kind) -> str:
    """Return the variable that carries this kind: the ``…TOKEN`` one for tokens and logins where there is one."""
    names = env_names_of(provider)
    is_token = kind is not Kind.API_KEY
    return next((name for name in names if _is_token_name(name) is is_token), names[0])


def provider_of_env_name(name: str) -> tuple[str, Kind] | None:
    """Return the provider and kind an environment variable stands for, or None when nobody reads it."""
    slug = _PROVIDER_OF_ENV_NAME.get(name)
    if slug is None:
        return None
    return slug, Kind.TOKEN if name.endswith("OAUTH_TOKEN") else Kind.API_KEY


def known_prefixes() -> Mapping[str, tuple[str, Kind]]:
    """Return each prefix of the catalogue with the provider and kind it announces, longest first."""
    return _KNOWN_PREFIXES


def _pasted_by_mistake(text: str) -> ShapeFinding | None:
    if looks_like_shell_command(text):
        return ShapeFinding(ShapeCode.SHELL_COMMAND, "This is a shell command; paste what it prints instead.")
    if _CODE_STATE.fullmatch(text):
        return ShapeFinding(
            ShapeCode.CODE_STATE, "This is a login code (code#state); give it to the login page to get a credential."
        )
    return None


def _misshapen(known: Provider, kind: Kind, text: str) -> ShapeFinding | None:
    shape, owner = known.shapes.get(kind, Shape()), _announced(text)
    if owner is not None and _is_foreign(known, kind, owner):
        other, other_kind = CATALOGUE[owner[0]], owner[1]
        message = f"This begins like {_NAMES[other_kind]} of {other.label}, not {_NAMES[kind]} of {known.label}."
        return ShapeFinding(ShapeCode.BAD_PREFIX, message)
    return _outside(shape, kind, known.label, text)


def _outside(shape: Shape, kind: Kind, label: str, text: str) -> ShapeFinding | None:
    if shape.prefixes and not text.startswith(shape.prefixes):
        message = f"For {label}, {_NAMES[kind]} begins with {' or '.join(shape.prefixes)}."
        return ShapeFinding(ShapeCode.BAD_PREFIX, message)
    if len(text) < shape.minimum_length:
        message = f"For {label}, {_NAMES[kind]} has at least {shape.minimum_length} characters."
        return ShapeFinding(ShapeCode.TOO_SHORT, message)
    return None


def _is_foreign(known: Provider, kind: Kind, owner: tuple[str, Kind]) -> bool:
    """Return whether the prefix announces something else; a kind without a shape may look like its siblings."""
    return owner[0] != known.slug or (owner[1] is not kind and kind in known.shapes)


def _announced(text: str) -> tuple[str, Kind] | None:
    """Return whose value this is by its longest known prefix."""
    return next((owner for prefix, owner in _KNOWN_PREFIXES.items() if text.startswith(prefix)), None)


def _is_token_name(name: str) -> bool:
    return name.endswith("_TOKEN")


_NAMES: Final[Mapping[Kind, str]] = {Kind.API_KEY: "an API key", Kind.TOKEN: "a token", Kind.OAUTH: "a login"}
_ALL_KINDS: Final = frozenset(Kind)
_METERED_TOKENS: Final = frozenset({"huggingface"})  # its tokens are its API keys
_ENV_UNSAFE: Final = re.compile(r"[^a-z0-9]+")
_CODE_STATE: Final = re.compile(r"[A-Za-z0-9_-]{10,}#[A-Za-z0-9_-]{10,}")
_SHELL_COMMAND: Final = re.compile(
    r"(?:[$>]\s+)?(?:sudo\s+)?"
    r"(?:openclaw|clawdbot|moltbot|opensoul|argentos|argent|claude|npx|npm|pnpm|bash|sh|curl|export|echo|cat)\s+\S"
)

CATALOGUE: Final[Mapping[str, Provider]] = {
    entry.slug: entry
    for entry in (
        Provider(
            slug="anthropic",
            label="Anthropic",
            env_names=("ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"),
            shapes={
                Kind.API_KEY: Shape(("sk-ant-api03-",)),
                Kind.TOKEN: Shape((SETUP_TOKEN_PREFIX,), SETUP_TOKEN_MINIMUM),
            },
            kinds=_ALL_KINDS,
            dashboard_url="https://console.anthropic.com/settings/usage",
            endpoint_url="https://api.anthropic.com",
        ),
        Provider(
            slug="openai",
            label="OpenAI",
            env_names=("OPENAI_API_KEY",),
            shapes={Kind.API_KEY: Shape(("sk-",))},
            kinds=frozenset({Kind.API_KEY, Kind.OAUTH}),
            dashboard_url="https://platform.openai.com/usage",
            endpoint_url="https://api.openai.com/v1",
        ),
        Provider(
            slug="google",
            label="Google",
            env_names=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            kinds=frozenset({Kind.API_KEY, Kind.OAUTH}),
            dashboard_url="https://aistudio.google.com/usage",
            endpoint_url="https://generativelanguage.googleapis.com",
        ),
        Provider(
            slug="openrouter",
            label="OpenRouter",
            env_names=("OPENROUTER_API_KEY",),
            shapes={Kind.API_KEY: Shape(("sk-or-",))},
            dashboard_url="https://openrouter.ai/activity",
            endpoint_url="https://openrouter.ai/api/v1",
        ),
        Provider(
            slug="minimax",
            label="MiniMax",
            env_names=("MINIMAX_CODE_PLAN_KEY", "MINIMAX_CODING_API_KEY", "MINIMAX_API_KEY"),
            # Only the coding plan has a prefix of its own; its keys are stored as tokens or as API keys.
            shapes={Kind.TOKEN: Shape(("sk-cp-",))},
            kinds=frozenset({Kind.API_KEY, Kind.TOKEN, Kind.OAUTH}),
        ),
        Provider(
            slug="github-copilot",
            label="GitHub Copilot",
            env_names=("COPILOT_GITHUB_TOKEN",),
            kinds=frozenset({Kind.TOKEN, Kind.OAUTH}),
        ),
        Provider(
            slug="huggingface",
            label="Hugging Face",
            env_names=("HUGGINGFACE_HUB_TOKEN", "HF_TOKEN"),
            kinds=frozenset({Kind.API_KEY, Kind.TOKEN}),
        ),
        Provider("xai", "xAI", ("XAI_API_KEY",), endpoint_url="https://api.x.ai/v1"),
        Provider("together", "Together", ("TOGETHER_API_KEY",)),
        Provider("vllm", "vLLM", ("VLLM_API_KEY",)),
        Provider("sglang", "SGLang", ("SGLANG_API_KEY",)),
        Provider("litellm", "LiteLLM", ("LITELLM_API_KEY",)),
        Provider("nvidia", "NVIDIA", ("NVIDIA_API_KEY",)),
        Provider("lmstudio", "LM Studio", ("LM_API_TOKEN",)),
        Provider("ollama", "Ollama", ("OLLAMA_API_KEY",)),
        Provider("opencode-go", "OpenCode Go", ("OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY")),
        Provider("clawrouter", "ClawRouter", ("CLAWROUTER_API_KEY",)),
        Provider("zai", "Z.AI", ("ZAI_API_KEY", "Z_AI_API_KEY")),
        Provider("groq", "Groq", ("GROQ_API_KEY",), endpoint_url="https://api.groq.com/openai/v1"),
        Provider("cerebras", "Cerebras", ("CEREBRAS_API_KEY",)),
        Provider("mistral", "Mistral", ("MISTRAL_API_KEY",), endpoint_url="https://api.mistral.ai/v1"),
        Provider("moonshot", "Moonshot", ("MOONSHOT_API_KEY",)),
        Provider("kimi-code", "Kimi Code", ("KIMICODE_API_KEY",)),
        Provider("synthetic", "Synthetic", ("SYNTHETIC_API_KEY",)),
        Provider("venice", "Venice", ("VENICE_API_KEY",)),
        Provider("deepgram", "Deepgram", ("DEEPGRAM_API_KEY",)),
        Provider("vercel-ai-gateway", "Vercel AI Gateway", ("AI_GATEWAY_API_KEY",)),
        Provider("chutes", "Chutes", ("CHUTES_OAUTH_TOKEN", "CHUTES_API_KEY"), kinds=_ALL_KINDS),
        Provider("qwen-portal", "Qwen Portal", ("QWEN_OAUTH_TOKEN", "QWEN_PORTAL_API_KEY"), kinds=_ALL_KINDS),
    )
}

_PROVIDER_OF_ENV_NAME: Final[Mapping[str, str]] = {
    name: entry.slug for entry in CATALOGUE.values() for name in entry.env_names
}
_KNOWN_PREFIXES: Final[Mapping[str, tuple[str, Kind]]] = dict(
    sorted(
        (
            (prefix, (entry.slug, kind))
            for entry in CATALOGUE.values()
            for kind, shape in entry.shapes.items()
            for prefix in shape.prefixes
        ),
        key=lambda item: -len(item[0]),
    )
)

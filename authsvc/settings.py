"""All settings, read once from the environment; every NAME may also be given as NAME_FILE, the path of a file that
holds the value.

Development generates missing secrets once and keeps them 0600 under ``var/``. Production starts only when
``authsvc/ops/checks.py`` finds every secret, host and address safe. ``docs/reference/settings.md`` lists them all.
"""

from __future__ import annotations

import ipaddress
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import environ
from corsheaders.defaults import default_headers
from environ.fileaware_mapping import FileAwareMapping

from authsvc.web.first_start import development_secret

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIRECTORY = BASE_DIR / "var"


class TrimmedFiles(FileAwareMapping):
    """Values without the line end that every editor and ``echo`` leaves in a file."""

    def __getitem__(self, key: str) -> str:
        return str(super().__getitem__(key)).strip()


class Environment(environ.Env):
    """The process environment, each name also as NAME_FILE."""

    ENVIRON = TrimmedFiles()


env = Environment()

AUTHSVC_ENV = env.str("AUTHSVC_ENV", "development")
PRODUCTION = AUTHSVC_ENV != "development"
DEBUG = env.bool("AUTHSVC_DEBUG", False) or env.bool("DEBUG", False)

AUTHSVC_SECRET_KEY = env.str("AUTHSVC_SECRET_KEY", "") or development_secret(STATE_DIRECTORY, "secret_key", PRODUCTION)
# Without a key the start is refused by check E001, which can only speak once Django has loaded with some key.
SECRET_KEY = AUTHSVC_SECRET_KEY or secrets.token_urlsafe(48)
AUTHSVC_KEKS = env.str("AUTHSVC_KEKS", "") or development_secret(STATE_DIRECTORY, "keks", PRODUCTION)
AUTHSVC_BASE_URL = env.str("AUTHSVC_BASE_URL", "" if PRODUCTION else "http://127.0.0.1:8000").rstrip("/")
AUTHSVC_TRUSTED_PROXIES = env.list("AUTHSVC_TRUSTED_PROXIES", default=[])
AUTHSVC_METRICS_CIDRS = env.list("AUTHSVC_METRICS_CIDRS", default=["127.0.0.0/8", "::1/128"])
AUTHSVC_CREDENTIAL_WRITE_CIDRS = env.list("AUTHSVC_CREDENTIAL_WRITE_CIDRS", default=[])
API_RATE_LIMIT = env.str("API_RATE_LIMIT", "100/min")
SENSITIVE_RATE_LIMIT = env.str("SENSITIVE_RATE_LIMIT", "20/min")
AUTHSVC_STRICT_REVOCATION = env.bool("AUTHSVC_STRICT_REVOCATION", False)
AUTHSVC_DEMO_LIMITS = env.str("AUTHSVC_DEMO_LIMITS", "on")
AUTHSVC_PROCESSES = env.int("AUTHSVC_PROCESSES", 0)  # set by deploy/gunicorn.conf.py; 0 is unknown, so maybe several
LOG_LEVEL = env.str("AUTHSVC_LOG_LEVEL", "INFO").upper()
REDIS_URL = env.str("REDIS_URL", "")

_base = urlsplit(AUTHSVC_BASE_URL)
ALLOWED_HOSTS = [host for host in {_base.hostname or "", "localhost", "127.0.0.1", "[::1]"} if host]
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"] if _base.scheme in {"http", "https"} else []
USE_X_FORWARDED_HOST = False
_HTTPS = _base.scheme == "https"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django_otp",
    "authsvc.apps.AuthsvcConfig",
    "rbac.apps.RbacConfig",
    "devices.apps.DevicesConfig",
    "profiles.apps.ProfilesConfig",
    "authsvc.apps.AuthsvcAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "authsvc.web.request_id.RequestIdMiddleware",
    "authsvc.web.headers.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "authsvc.gate.errors.ProblemMiddleware",
    "authsvc.web.limit_middleware.LimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "authsvc.urls"
WSGI_APPLICATION = "authsvc.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{STATE_DIRECTORY / 'authsvc.sqlite3'}")}
_database = DATABASES["default"]
_database["CONN_MAX_AGE"] = 60  # a replaced file of SQLite is noticed at the next request (authsvc/web/database.py)
if _database["ENGINE"].endswith("sqlite3"):
    # WAL lets readers run beside the one writer; IMMEDIATE takes the write lock first, so none fails half-way.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    _database["CONN_HEALTH_CHECKS"] = True
    # The few hottest queries are prepared (authsvc/web/prepared.py); the ORM's own stay as they are.
    _database["OPTIONS"] = {"prepare_threshold": 5, **_database.get("OPTIONS", {})}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTH_USER_MODEL = "authsvc.Operator"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

AUTHSVC_REQUIRE_MFA = env.bool("AUTHSVC_REQUIRE_MFA", False)
PASSWORD_RESET_TIMEOUT = 3600
AUTHSVC_EMAIL_URL = env.str("AUTHSVC_EMAIL_URL", "")
AUTHSVC_EMAIL_FROM = env.str("AUTHSVC_EMAIL_FROM", "") or f"authsvc@{_base.hostname or 'localhost'}"
if AUTHSVC_EMAIL_URL:
    vars().update(Environment.email_url_config(AUTHSVC_EMAIL_URL))
    EMAIL_TIMEOUT = 10
    DEFAULT_FROM_EMAIL = AUTHSVC_EMAIL_FROM

SESSION_ENGINE = "authsvc.operators.session_store"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_AGE = 8 * 3600
SECURE_SSL_REDIRECT = False  # the proxy in front terminates TLS and redirects; health checks come in plain
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if AUTHSVC_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIRECTORY / "static" if PRODUCTION else None  # elsewhere the files are found where they are
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DATETIME_FORMAT = "Y-m-d H:i"

CORS_ALLOWED_ORIGINS = env.list(
    "AUTHSVC_CORS_ORIGINS", default=env.list("CORS_ORIGIN", default=["http://localhost:5173"])
)
if CORS_ALLOWED_ORIGINS == ["*"]:
    CORS_ALLOWED_ORIGINS, CORS_ALLOW_ALL_ORIGINS = [], True
if env.bool("AUTHSVC_CORS_TAURI", False):
    CORS_ALLOWED_ORIGINS = [*CORS_ALLOWED_ORIGINS, "tauri://localhost", "https://tauri.localhost"]
CORS_ALLOW_CREDENTIALS = False
# Never forward-auth: a preflight answered here would open the guarded server to every OPTIONS request.
CORS_URLS_REGEX = r"^/(?!t/.*/forward-auth)(api|t|\.well-known)/"
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key"]
CORS_EXPOSE_HEADERS = [
    "Idempotency-Replayed",
    "X-Request-Id",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit",
    "RateLimit-Policy",
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["authsvc.gate.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rbac.permissions.RequiresScope"],
    "DEFAULT_THROTTLE_CLASSES": ["authsvc.web.limit_middleware.CallerThrottle"],
    "DEFAULT_PARSER_CLASSES": ["authsvc.web.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "authsvc.web.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "authsvc.web.schema.HouseSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "authsvc.gate.errors.render_api_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "FORMAT_SUFFIX_KWARG": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "authsvc",
    "VERSION": "1",
    "DESCRIPTION": "Who is this, may they do that, with which credential?",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "CredentialKindEnum": ["api_key", "token", "oauth"],
        "GatewayKindEnum": "rbac.models.GatewayKind",
        "OpaqueProofKindEnum": "authsvc.tokens.models.ApiKeyKind",
        "PairingStateEnum": "rbac.models.PairingState",
        "UnmappedEnum": ["deny", "allow"],
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "authsvc.gate.oauth_schema.describe_oauth",
    ],
    "SECURITY": [{"bearer": []}],
    "APPEND_COMPONENTS": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
}

LIMITS_OF_TENANT = "authsvc.tenants.limits.rates_of"
IS_STILL_ACCEPTED = "authsvc.gate.still.is_still_accepted"

# django-ratelimit's system check knows only three cache backends; authsvc/web/limits.py says how each store is used.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001", "security.W008"]

LOGGING_CONFIG = "authsvc.web.logs.configure"
LOGGING = {"level": LOG_LEVEL, "json": PRODUCTION}


LOOPBACK = ["127.0.0.0/8", "::1/128"]


def networks(ranges: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the parsed address ranges, ``loopback`` for this machine; ``authsvc.E008`` reports what is ignored."""
    parsed = []
    for text in [each for given in ranges for each in (LOOPBACK if given.strip() == "loopback" else [given])]:
        try:
            parsed.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            continue
    return parsed


TRUSTED_PROXY_NETWORKS = networks(AUTHSVC_TRUSTED_PROXIES)
METRICS_NETWORKS = networks(AUTHSVC_METRICS_CIDRS)
CREDENTIAL_WRITE_NETWORKS = networks(AUTHSVC_CREDENTIAL_WRITE_CIDRS)

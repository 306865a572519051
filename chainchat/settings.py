"""Settings, read from the environment and an optional ``.env`` file. README lists every variable."""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from chainchat.databases import database_settings
from chainchat.secret_key import read_or_make_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or read_or_make_secret_key(VAR_DIR / "secret_key")
# The first key encrypts, all of them decrypt; without any, a key derived from SECRET_KEY does both.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])

# Where it is served
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
_own_origins = [f"http://{name}:{PORT}" for name in ("127.0.0.1", "localhost", "[::1]")]
ALLOWED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else _own_origins
_public_host = urlsplit(PUBLIC_URL).hostname
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[_public_host] if _public_host else ["127.0.0.1", "localhost", "[::1]"]
)
CSRF_TRUSTED_ORIGINS = ALLOWED_ORIGINS
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
_over_tls = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _over_tls
SESSION_COOKIE_HTTPONLY = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if _over_tls else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "chains",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chains.accounts.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "chainchat.urls"
ASGI_APPLICATION = "chainchat.asgi.application"
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
            ],
        },
    },
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "style-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# Data
REDIS_URL = env.str("REDIS_URL", default="")
DATABASES = {
    "default": database_settings(
        env.str("DATABASE_URL", default=""),
        VAR_DIR / "chainchat.sqlite3",
        pool_size=env.int("DATABASE_POOL_SIZE", default=20),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# It counts log-ins and bad tokens, and nothing else: rarely, and also while Redis is away. Two of the same
# moment may count as one.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "chains_throttle",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            # An idle subscription is no fault: the limit only has to notice a dead peer.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 30}], "capacity": 10_000},
        }
    }
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            # A full or expired queue drops messages without a word: leave room, keep them long.
            "CONFIG": {"capacity": 10_000, "expiry": 3_600, "group_expiry": 30 * 86_400},
        }
    }

# Who runs the runs: this web process ("web") or `manage.py chain_worker` processes ("separate").
RUN_WORKERS = env.str("RUN_WORKERS", default="web")
if RUN_WORKERS not in ("web", "separate"):
    raise environ.ImproperlyConfigured("RUN_WORKERS must be 'web' or 'separate'.")
RUNS_PER_WORKER = env.int("RUNS_PER_WORKER", default=100)
WORKER_GRACE = env.float("WORKER_GRACE", default=30.0)  # seconds
if RUNS_PER_WORKER < 1 or WORKER_GRACE < 0:
    raise environ.ImproperlyConfigured("RUNS_PER_WORKER must be 1 or more, WORKER_GRACE 0 or more.")
# Touched every 5 s while this process is ready; whoever watches over it looks at the file's age.
HEARTBEAT_FILE = env.str("HEARTBEAT_FILE", default="")

# People
AUTH_USER_MODEL = "chains.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
SIGNUP = env.str("SIGNUP", default="open")
if SIGNUP not in ("open", "closed"):
    raise environ.ImproperlyConfigured("SIGNUP must be 'open' or 'closed'.")
ACCOUNT_ADAPTER = "chains.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGOUT_REDIRECT_URL = "landing"
ACCOUNT_SESSION_REMEMBER = True
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
MFA_ADAPTER = "chains.accounts.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "chain-chat"
# Mail goes to the console by default: a second factor must not wait for a link in it.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# Mail
_mail = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail.get("EMAIL_HOST", "")
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="chain-chat@localhost")

# Uploads. Files have bounds of their own; what is left is the text of a form or of a program's request: a
# message of the greatest length, whatever its alphabet, and what surrounds it.
FILE_UPLOAD_HANDLERS = [
    "chains.uploads.BoundedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # longer ones wait on the disk until they are looked at
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 50

# Language, time, static files
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "chainchat.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "chains.static_files.HashedStaticFiles"
    },
}

LOGGING_CONFIG = "chainchat.logging.configure"
LOGGING = {"level": env.str("LOG_LEVEL", default="INFO"), "json": env.bool("LOG_JSON", default=False)}

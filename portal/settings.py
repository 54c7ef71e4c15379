"""
Settings of the portal. One file; environment variables make the difference.

    DATABASE_URL      PostgreSQL 15+; unset: an embedded server under var/ is used
    REDIS_URL         Redis 6.2+; unset: an embedded server under var/ is used
    WARMGRID_VAR      where the embedded servers keep their data (default: var/)
    SECRET_KEY        required when DEBUG is off
    DEBUG             1 for development and the demo
    ALLOWED_HOSTS     comma-separated
    BASE_URL          address in e-mailed links, https://heat.example.org
    TRUSTED_PROXIES   how many proxies of ours stand in front, each adding to X-Forwarded-For
    EMAIL_URL_*       see EMAIL_* below
    ARCHIVE_URL       where archived months of readings go (default: archive/ under var/)
    ARCHIVE_AFTER_MONTHS  seal months that are older than this (default 0: only by hand)
    PROBE_LOCAL       1 lets probes ask this machine itself, for development
    WEBHOOK_PRIVATE   1 lets webhooks go to this machine and to private networks
    LOG_FORMAT        json (default) or console
"""

import os
from pathlib import Path

import dj_database_url
import structlog
from django.contrib.messages import constants as messages

from portal import embedded, logs

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


DEBUG = _flag("DEBUG")
SECRET_KEY = os.environ.get("SECRET_KEY") or embedded.secret_key()
BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [BASE_URL] if BASE_URL.startswith("https://") else []

DATABASE_URL = os.environ.get("DATABASE_URL") or embedded.postgres_url()
REDIS_URL = os.environ.get("REDIS_URL") or embedded.redis_url()

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        # Celery and Django name a Redis behind a Unix socket differently.
        "LOCATION": REDIS_URL.replace("redis+socket://", "unix://"),
        "KEY_PREFIX": "portal",
    }
}
TRUSTED_PROXIES = int(os.environ.get("TRUSTED_PROXIES", "0"))

DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60)}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "sites",
    "telemetry",
    "billing",
    "seeds",
    "portal",
]

MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.ViewerMiddleware",
    "portal.middleware.ArchiveMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
AUTH_USER_MODEL = "sites.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.frame",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "portal.templatetags.portal",
            ],
        },
    }
]

# How long the link to set a new password works.
PASSWORD_RESET_TIMEOUT = 3600

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# The tones of notices in the stylesheet.
MESSAGE_TAGS = {
    messages.INFO: "info",
    messages.SUCCESS: "ok",
    messages.WARNING: "warn",
    messages.ERROR: "bad",
}

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BASE_URL.startswith("https://"):
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# A gateway may send a day of a large site at once; the ingest view streams the body itself.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# mqtt:// or mqtts:// with user and password; empty: `run_mqtt` is not used.
MQTT_URL = os.environ.get("MQTT_URL", "")
MQTT_TOPICS = os.environ.get("MQTT_TOPICS", "warmgrid/{gateway}/{format}")
INGEST_MAX_BODY_BYTES = int(os.environ.get("INGEST_MAX_BODY_BYTES", 256 * 1024 * 1024))
INGEST_MAX_INFLATED_BYTES = int(os.environ.get("INGEST_MAX_INFLATED_BYTES", 1024**3))

# Where archived months go: any address fsspec knows. By age they are sealed only where a number
# of months is set.
ARCHIVE_URL = os.environ.get(
    "ARCHIVE_URL", f"file://{Path(os.environ.get('WARMGRID_VAR') or BASE_DIR / 'var') / 'archive'}"
)
ARCHIVE_AFTER_MONTHS = int(os.environ.get("ARCHIVE_AFTER_MONTHS", "0"))
ARCHIVE_RECALL_DAYS = int(os.environ.get("ARCHIVE_RECALL_DAYS", "7"))

# Whether probes may ask this machine itself, for development.
PROBE_LOCAL = _flag("PROBE_LOCAL")
# Whether webhooks, which administrators of any operator set up, may go inside our own network.
WEBHOOK_PRIVATE = _flag("WEBHOOK_PRIVATE")

# Without a mail server letters become files: their links must not get into a log.
EMAIL_BACKEND = os.environ.get("EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend")
EMAIL_FILE_PATH = os.environ.get(
    "EMAIL_FILE_PATH", Path(os.environ.get("WARMGRID_VAR") or BASE_DIR / "var") / "mail"
)
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "25"))
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "Warmgrid <no-reply@localhost>")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Warmgrid",
    "DESCRIPTION": "Metered heat, IT energy, invoices and evidence of small data centres.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "telemetry.tasks.import_*": {"queue": "ingest"},
    "telemetry.tasks.*": {"queue": "rollup"},
    "billing.tasks.render_*": {"queue": "documents"},
    "billing.tasks.*": {"queue": "billing"},
}
CELERY_TIMEZONE = "UTC"

LOG_FORMAT = os.environ.get("LOG_FORMAT", "json")
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": [
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                logs.hide_tokens,
                structlog.dev.ConsoleRenderer(colors=False)
                if LOG_FORMAT == "console"
                else structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        # Three lines a document say nothing that its row does not.
        "factur-x": {"level": "WARNING"},
    },
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

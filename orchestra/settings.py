"""Django's settings, from what ``env.py`` read. It wires; it decides nothing."""

import hashlib
import os
import socket
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF

from orchestra import env

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = env.read(BASE_DIR)
DATA_DIR = (BASE_DIR / ENV["DATA_DIR"]).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

PROCESS = os.environ.get("ORCHESTRA_PROCESS", "command")  # web, worker or command: set by the supervisor
SECRET_KEY = ENV["SECRET_KEY"]
ENCRYPTION_KEYS = ENV["ENCRYPTION_KEYS"]
DEBUG = ENV["DEBUG"]
ALLOWED_HOSTS = ENV["ALLOWED_HOSTS"]
CSRF_TRUSTED_ORIGINS = ENV["CSRF_TRUSTED_ORIGINS"]

INSTALLED_APPS = [
    "orchestra.kernel",
    "orchestra",
    "agents",
    "workflows",
    "workflows.customer_service",
    "monitoring",
    "orchestra.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_q",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "orchestra.kernel.web.RequestMiddleware",
    "orchestra.kernel.web.SignInMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "orchestra.urls"
ASGI_APPLICATION = "orchestra.asgi.application"
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
                "orchestra.kernel.frame.frame",
            ],
        },
    }
]

# Database: no ATOMIC_REQUESTS, units of work open their own transactions.
DATABASES = {"default": env.database(ENV["DATABASE_URL"], DATA_DIR)}
DATABASE = DATABASES["default"]
IS_SQLITE = DATABASE["ENGINE"].endswith("sqlite3")
DATABASE["CONN_MAX_AGE"] = None if PROCESS == "worker" else 0
if IS_SQLITE:
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;",
    }
    DATABASE["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    DATABASE["CONN_HEALTH_CHECKS"] = True  # what a restart of the server has cut is given to no page and no job
    if PROCESS == "web":
        DATABASE["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 10, "timeout": 5, "reconnect_timeout": 2}}
    elif PROCESS == "worker":
        # The executors' statements are all served by indexes, whatever statistics say of a table that has just grown;
        # and a plan that is dear on paper must not be compiled first.
        DATABASE["OPTIONS"] = {"options": "-c enable_seqscan=off -c jit=off"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "kernel.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}}]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "now"
LOGOUT_REDIRECT_URL = "login"
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "orchestra.kernel.signin.locked_out"
AXES_CLIENT_IP_CALLABLE = "orchestra.kernel.signin.address_of"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # so that the page can say when to try again
AXES_DISABLE_ACCESS_LOG = True  # the audit trail has it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Security
HTTPS = ENV["HTTPS"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
CSRF_FAILURE_VIEW = "orchestra.kernel.web.stale_form"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
PROXY_COUNT = ENV["PROXY_COUNT"]
METRICS_OPEN_TO = ENV["METRICS_OPEN_TO"]

# Language and time
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = ENV["TIME_ZONE"]

# Calls to other servers
OUTGOING_ALLOWED = ENV["OUTGOING_ALLOWED"]
OPENAI_BASE_URL = ENV["OPENAI_BASE_URL"]
OPENAI_API_KEY = ENV["OPENAI_API_KEY"]
OPENAI_MODEL = ENV["OPENAI_MODEL"]

# Files
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # served from where they lie: nothing to collect
MEDIA_ROOT = DATA_DIR / "files"

# Mail
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV["EMAIL_FROM"]
EMAIL_TIMEOUT = 20
globals().update(env.mail(ENV["EMAIL_URL"], DATA_DIR))
PUBLIC_URL = ENV["PUBLIC_URL"].rstrip("/")

# Workers: two clusters; the executors' liveness is their heartbeat row, so that cluster has no time limit.
REDIS_URL = ENV["REDIS_URL"]
EXECUTORS = int(os.environ.get("ORCHESTRA_EXECUTORS", ENV["EXECUTORS"] or (1 if IS_SQLITE else 2)))
EXECUTOR_SLOTS = ENV["EXECUTOR_SLOTS"]
LEASE_S = ENV["LEASE_S"]
RESOURCE_LEASE_S = ENV["RESOURCE_LEASE_S"]
COMMANDS = ENV["COMMANDS"]
MONITORING = ENV["MONITORING"]
RUN_RETENTION_DAYS = ENV["RUN_RETENTION_DAYS"]
REVIEW_LEASE_S = ENV["REVIEW_LEASE_S"]
TREE = hashlib.sha256(f"{socket.gethostname()}:{DATA_DIR}".encode()).hexdigest()[:12]
EXECUTORS_QUEUE = f"executors-{TREE}"  # each tree its own: a message asks for an executor of this one
Q_CLUSTER = {
    "name": "orchestra",
    "cluster_name": "main",
    "workers": 1,
    "queue_limit": 1,
    "bulk": 1,
    "timeout": 60,
    "retry": 200,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "catch_up": False,
    "poll": 1,
    "guard_cycle": 1,
    "recycle": 10_000,  # rarely: the supervisor takes a worker's end for a loss and starts the cluster anew
    "log_level": "WARNING",
    "label": "Jobs",
    "ALT_CLUSTERS": {
        EXECUTORS_QUEUE: {
            "workers": EXECUTORS,
            "timeout": -1,
            "retry": 86400,
            "scheduler": False,
        }
    },
} | env.broker(REDIS_URL, is_worker=PROCESS == "worker")
CHANNEL_LAYERS = env.channel_layers(REDIS_URL, str(DATABASE["NAME"]))

SCORE_WEIGHTS = {
    "match": ENV["SCORE_MATCH"],
    "success": ENV["SCORE_SUCCESS"],
    "speed": ENV["SCORE_SPEED"],
    "availability": ENV["SCORE_AVAILABILITY"],
}
ALLOCATION_TIME_LIMIT_S = ENV["ALLOCATION_TIME_LIMIT_S"]

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "orchestra.kernel.gate.authentication.TokenAuthentication",
        "orchestra.kernel.gate.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["orchestra.kernel.gate.permissions.RolePermission"],
    "DEFAULT_PARSER_CLASSES": ["orchestra.kernel.gate.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "orchestra.kernel.gate.answers.answer_error",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Orchestra",
    "DESCRIPTION": "The API of the control room. Lists are keyset-paged; errors have code, detail and errors.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["orchestra.kernel.gate.permissions.RolePermission"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["orchestra.kernel.rest.schema.add_errors"],
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False, "validatorUrl": None},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "orchestra.logs.formatter", "machine": not DEBUG and not os.isatty(2)}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": ENV["LOG_LEVEL"]},
    "loggers": {
        "django-q": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "daphne": {"level": "WARNING"},
        "apprise": {"handlers": ["nowhere"], "propagate": False},  # it tells addresses with the keys that they hold
        "axes": {"level": "WARNING"},
        "channels_redis": {"level": "CRITICAL"},  # one stack a second while Redis is away; others say so once
        "fontTools": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},  # a line for each call, with whatever its address holds
    },
}

"""Settings of the site, read from the environment; business parameters are rows instead.

``DEPLOYMENT=local``, the default, needs no environment: servers and secrets are its own, in
``VAR_DIR``. ``DEPLOYMENT=production`` takes everything from the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from loyalty_site import admin_settings, env, policies
from loyalty_site.broker import EmbeddedValkey, find_binary
from loyalty_site.database import OWNER, SITE, EmbeddedPostgres, passwords
from loyalty_site.local import load_secrets
from loyalty_site.logging import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent
DEPLOYMENT = env.choice("DEPLOYMENT", ["local", "production"], "local")
IS_PRODUCTION = DEPLOYMENT == "production"
if IS_PRODUCTION:
    env.require(
        [
            *("SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "ALLOWED_HOSTS"),
            *("BASE_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL", "IDP_OIDC_PRIVATE_KEY"),
        ]
    )
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var"))).absolute()
_secrets = {} if IS_PRODUCTION else load_secrets(VAR_DIR)

DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", _secrets.get("secret_key"))
BASE_URL = env.url("BASE_URL", ["http", "https"], "http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS", [BASE_URL])
API_RATE_LIMIT_PER_MINUTE = env.integer("API_RATE_LIMIT_PER_MINUTE", default=6000, minimum=1)

# Parts ---------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "loyalty_site",
    "campaigns",
    "rewards",
    "members",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "loyalty_site.admin_config.LoyaltyAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.headless",
    "allauth.idp.oidc",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_htmx",
    "csp",
]
MIDDLEWARE = [
    "loyalty_site.lib.logging.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "loyalty_site.lib.csp.PathPolicyMiddleware",
    # Operations of the API are answered here, without what only pages need.
    "loyalty_site.lib.shortcut.ApiShortcutMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "loyalty_site.urls"
WSGI_APPLICATION = "loyalty_site.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
                "django.template.context_processors.i18n",
                "loyalty_site.context.site",
            ],
        },
    },
]

# Servers -------------------------------------------------------------------------------------

_owner_alias: dict[str, Any] | None
if IS_PRODUCTION or env.text("DATABASE_URL", "-") != "-":
    _site_alias = env.database("DATABASE_URL")
    _owner_alias = None
    if env.text("DATABASE_OWNER_URL", "-") != "-":
        _owner_alias = env.database("DATABASE_OWNER_URL")
else:
    EMBEDDED_POSTGRES = EmbeddedPostgres(VAR_DIR, role_passwords=passwords(_secrets))
    _site_alias = env.database("", EMBEDDED_POSTGRES.url(SITE))
    _owner_alias = env.database("", EMBEDDED_POSTGRES.url(OWNER))
    _site_alias["ENGINE"] = _owner_alias["ENGINE"] = "loyalty_site.embedded_backend"

# Kept connections with statements prepared once: planning a posting costs as much as a part
# of it. The check finds a connection that a restart of the server has cut.
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **_site_alias,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "server_side_binding": True,
            "prepare_threshold": 3,
            **_site_alias["OPTIONS"],
        },
    }
}
if _owner_alias:
    DATABASES["owner"] = _owner_alias

CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
_broker_url = env.text("CELERY_BROKER_URL", "-")
_valkey_binary = None if IS_PRODUCTION or _broker_url != "-" else find_binary()
EMBEDDED_VALKEY = EmbeddedValkey(VAR_DIR, binary=_valkey_binary) if _valkey_binary else None
if EMBEDDED_VALKEY:
    CELERY_BROKER_URL = EMBEDDED_VALKEY.broker_url
elif _broker_url != "-":
    CELERY_BROKER_URL = env.url(
        "CELERY_BROKER_URL", ["redis", "rediss", "redis+socket", "amqp", "amqps", "memory"]
    )
else:
    CELERY_BROKER_URL = "filesystem://"
    for _folder in ("queue", "control"):
        (VAR_DIR / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "queue"),
        "data_folder_out": str(VAR_DIR / "queue"),
        "control_folder": str(VAR_DIR / "control"),
    }
_cache_default = EMBEDDED_VALKEY.cache_url if EMBEDDED_VALKEY else "database://loyalty_cache"
CACHES = {"default": env.cache("CACHE_URL", _cache_default)}
if EMBEDDED_VALKEY and CACHES["default"]["LOCATION"] == EMBEDDED_VALKEY.cache_url:
    CACHES["default"]["BACKEND"] = "loyalty_site.embedded_cache.EmbeddedCache"

# Queue ---------------------------------------------------------------------------------------

# A task taken by a worker that died is given again after this time; it has to be longer than
# the longest task, and is read from three places.
CELERY_VISIBILITY_TIMEOUT = 3600
CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] = CELERY_VISIBILITY_TIMEOUT
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": CELERY_VISIBILITY_TIMEOUT}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 1800
CELERY_TASK_SOFT_TIME_LIMIT = 1740
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "loyalty_site.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True

# Proof ---------------------------------------------------------------------------------------

# The key that signs checkpoints is for the worker alone; who only checks needs the public keys,
# of which the older ones stay when the key is changed. Locally the key is made on first use.
CHECKPOINT_DIR = Path(env.text("CHECKPOINT_DIR", str(VAR_DIR / "checkpoints"))).absolute()
CHECKPOINT_KEY = env.text("CHECKPOINT_KEY", "").replace("\\n", "\n")
CHECKPOINT_PUBLIC_KEYS = env.public_keys("CHECKPOINT_PUBLIC_KEYS")
CHECKPOINT_KEY_FILE = None if IS_PRODUCTION else VAR_DIR / "checkpoint-key.pem"

# People --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "members.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "members.adapters.AccountAdapter"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "how_it_works"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = BASE_URL.partition("://")[0]
ACCOUNT_SESSION_REMEMBER = True
MFA_SUPPORTED_TYPES = ["recovery_codes", "totp", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_PRODUCTION
HEADLESS_ENABLED = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_SERVE_SPECIFICATION = False
IDP_OIDC_PRIVATE_KEY = env.text("IDP_OIDC_PRIVATE_KEY", _secrets.get("signing_key")).replace(
    "\\n", "\n"
)
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", default=0)
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "loyalty@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
_email = env.email("EMAIL_URL", "console://")
globals().update(_email)

# API -----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "loyalty_site.lib.drf.problem_response",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Loyalty API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    # The document is made from what operations declare, not guessed from serializers.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Privacy -------------------------------------------------------------------------------------

_erasure_log = env.text("ERASURE_LOG", "" if IS_PRODUCTION else str(VAR_DIR / "erasures.log"))
ERASURE_LOG: Path | None = Path(_erasure_log).absolute() if _erasure_log else None

# Languages and files -------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
# A language is added with its catalog: one without would mix two languages on a page.
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(
    env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles" if IS_PRODUCTION else VAR_DIR / "static"))
)
# Compressing every file of the admin and the API docs takes minutes, which only a production
# build spends; elsewhere files are served from where they lie.
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
_static_storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
if not IS_PRODUCTION:
    _static_storage = "django.contrib.staticfiles.storage.StaticFilesStorage"
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static_storage},
}

# Admin ---------------------------------------------------------------------------------------

UNFOLD = admin_settings.UNFOLD

# Safety --------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {"DIRECTIVES": policies.MEMBERS}
CONTENT_SECURITY_POLICIES_BY_PATH = policies.BY_PATH
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_PRODUCTION
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
if ALLAUTH_TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_settings(
    env.choice("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO"),
)

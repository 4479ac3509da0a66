"""Reading settings from the environment: typed, and stopping the start in one clear line."""

from __future__ import annotations

import os
import re
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


def refuse(message: str) -> NoReturn:
    """End the process with one line instead of a traceback.

    :raises SystemExit: always; Python prints the message and exits with 1.
    """
    raise SystemExit(f"Cannot start: {message} (docs/operations.md lists every setting)")


def require(names: list[str]) -> None:
    """Refuse to start unless every one of the variables is set and not empty."""
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        refuse(f"production needs {', '.join(missing)} in the environment")


def text(name: str, default: str | None = None) -> str:
    """Return the variable, or the default when it is unset or empty."""
    value = os.environ.get(name, "")
    if value:
        return value
    if default is None:
        refuse(f"{name} is not set")
    return default


def choice(name: str, options: list[str], default: str) -> str:
    """Return the variable, which has to be one of the options."""
    value = text(name, default)
    if value not in options:
        refuse(f"{name} must be one of {', '.join(options)}, not {value!r}")
    return value


def boolean(name: str, *, default: bool) -> bool:
    """Return the variable read as yes or no."""
    value = text(name, str(default)).lower()
    if value in TRUE_WORDS:
        return True
    if value in FALSE_WORDS:
        return False
    refuse(f"{name} must be true or false, not {value!r}")


def integer(name: str, *, default: int, minimum: int = 0) -> int:
    """Return the variable as a whole number of at least the minimum."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        refuse(f"{name} must be a whole number, not {value!r}")
    if number < minimum:
        refuse(f"{name} must be at least {minimum}, not {number}")
    return number


def items(name: str, default: list[str]) -> list[str]:
    """Return the variable split at its commas, without empty parts."""
    value = os.environ.get(name, "")
    if not value:
        return default
    return [part.strip() for part in value.split(",") if part.strip()]


def public_keys(name: str) -> list[str]:
    """Return the keys that the variable lists, each 32 bytes written as 64 hexadecimal digits."""
    keys = [key.lower() for key in items(name, [])]
    for key in keys:
        if not re.fullmatch("[0-9a-f]{64}", key):
            refuse(f"{name} must list Ed25519 keys of 64 hexadecimal digits")
    return keys


def url(name: str, schemes: list[str], default: str | None = None) -> str:
    """Return the variable, which has to be a URL of one of the schemes."""
    value = text(name, default)
    scheme, separator, _rest = value.partition("://")
    if not separator or scheme not in schemes:
        refuse(f"{name} must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return value


def database(name: str, default: str | None = None) -> dict[str, Any]:
    """Return Django's description of the PostgreSQL database that the variable names.

    The URL is ``postgres://user:password@host:port/name?option=value``. ``host`` among
    the options names a directory with a Unix socket. ``prepare_threshold=none`` turns
    prepared statements off, which PgBouncer before 1.21 needs.
    """
    value = url(name, ["postgres", "postgresql"], default)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        refuse(f"{name} is not a valid URL")
    if not parts.username or len(parts.path) < 2:
        refuse(f"{name} must name a user and a database: postgres://user:password@host/database")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    threshold = str(options.pop("prepare_threshold", ""))
    if threshold:
        options["prepare_threshold"] = None if threshold == "none" else int(threshold)
    return {
        "ENGINE": "loyalty_site.checked_backend",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(options.pop("port", None) or port or ""),
        "OPTIONS": options,
    }


def cache(name: str, default: str) -> dict[str, Any]:
    """Return Django's description of the cache that the variable names.

    ``redis://``, ``rediss://`` and ``unix://`` mean Redis or Valkey, ``database://table``
    a table of the site's own database, ``memory://`` this process alone.
    """
    value = url(name, ["redis", "rediss", "unix", "database", "memory"], default)
    scheme, _separator, rest = value.partition("://")
    if scheme == "database":
        return {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": rest}
    if scheme == "memory":
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": rest}
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": value}


def email(name: str, default: str) -> dict[str, Any]:
    """Return Django's e-mail settings for the variable.

    ``console://`` prints, ``memory://`` keeps, ``smtp://``, ``smtp+tls://`` and
    ``smtps://user:password@host:port`` send.
    """
    value = url(name, ["console", "memory", "smtp", "smtp+tls", "smtps"], default)
    parts = urlsplit(value)
    if parts.scheme in {"console", "memory"}:
        kind = "console" if parts.scheme == "console" else "locmem"
        return {"EMAIL_BACKEND": f"django.core.mail.backends.{kind}.EmailBackend"}
    if not parts.hostname:
        refuse(f"{name} must name a host")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 10,
    }

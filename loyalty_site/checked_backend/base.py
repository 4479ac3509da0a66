"""The backend's entry point; the module's name is the one that Django looks for."""

from __future__ import annotations

import time

from django.db.backends.postgresql import base

# A busy connection is asked at most this often. What a restart of the server cuts between
# two checks fails once, as 503, and is closed by that.
CHECK_AFTER_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that does not spend a round trip of every request on a check."""

    _checked_at = float("-inf")

    def close_if_health_check_failed(self) -> None:
        """Ask the server, unless it was asked within the last seconds."""
        now = time.monotonic()
        if now - self._checked_at < CHECK_AFTER_SECONDS:
            self.health_check_done = True
            return
        super().close_if_health_check_failed()
        self._checked_at = now

    def close(self) -> None:
        """Close, and let the next connection be asked anew."""
        self._checked_at = float("-inf")
        super().close()

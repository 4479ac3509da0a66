"""What a large run will need, said before it begins.

Pure: the figures come from runs that were measured, with something to spare.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.books import Size

ENTRIES = 10_000_000
GB = 10**9
DISK_BYTES_MAX, MINUTES_MAX = 8 * GB, 60
# Programs, templates and write-ahead log, and what an entry takes with its share of headers, lots,
# uses and all their indexes.
BYTES_FIXED, BYTES_PER_ENTRY = 1_300_000_000, 650
# Rounds that take their time whatever the size, and an entry's share of all else.
SECONDS_FIXED, ENTRIES_PER_SECOND = 540, 4_500


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is made and what that takes."""

    size: Size
    disk_bytes: int
    minutes: int

    def __str__(self) -> str:
        return (
            f"{self.size.entries:,} entries of {self.size.members:,} members with"
            f" {self.size.lots:,} lots, {self.size.ending_lots:,} of which will expire.\n"
            f"This takes about {self.disk_bytes / GB:.1f} GB of disk, given back at the end"
            f" (at most {DISK_BYTES_MAX // GB}), and about {self.minutes} minutes"
            f" (at most {MINUTES_MAX})."
        )

    def check(self, free_bytes: int) -> None:
        """Refuse to begin what would not fit.

        :raises SystemExit: the disk or the time would not do; the message says what would.
        """
        if self.disk_bytes > DISK_BYTES_MAX or self.minutes > MINUTES_MAX:
            raise SystemExit("bin/bench: that is more than a run may take; ask for fewer --entries")
        if self.disk_bytes > free_bytes:
            raise SystemExit(
                f"bin/bench: only {free_bytes / GB:.1f} GB are free; ask for fewer --entries"
            )


def plan(entries: int) -> Plan:
    """Return what a run of so many entries needs."""
    size = Size(entries)
    seconds = SECONDS_FIXED + size.entries / ENTRIES_PER_SECOND
    return Plan(
        size=size,
        disk_bytes=BYTES_FIXED + size.entries * BYTES_PER_ENTRY,
        minutes=round(seconds / 60),
    )

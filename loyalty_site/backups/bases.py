"""Base backups and the write-ahead log: a copy of the whole server, for any instant after it."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connections

from loyalty_site import env
from loyalty_site.backups.dumps import gather_erasures, make_private, stamp
from loyalty_site.backups.programs import (
    OWNER_ALIAS,
    BackupFailed,
    Target,
    environment,
    find_program,
    owner_target,
    run,
    target_of,
)
from loyalty_site.database import SUPERUSER

# The server keeps its log until the receiver with this name has it.
SLOT = "loyalty_backup"


def replication_target() -> Target:
    """Return the server as a role that may copy all of it reaches it.

    :raises BackupFailed: no such role is named.
    """
    owner = owner_target()
    embedded = getattr(settings, "EMBEDDED_POSTGRES", None)
    url = os.environ.get("DATABASE_REPLICATION_URL", "")
    if embedded is not None:
        url = embedded.url(SUPERUSER, "postgres")
    if not url:
        raise BackupFailed(
            "Set DATABASE_REPLICATION_URL, a role with the attribute REPLICATION: a base backup"
            " and the write-ahead log are of the whole server."
        )
    return target_of(env.database("", url), owner.major)


def take_base(*, folder: Path, moment: datetime) -> Path:
    """Copy the whole server into a new folder, verify the copy, and gather the erasures.

    :raises BackupFailed: a program, the server or the disk refuses.
    """
    target = replication_target()
    copy = find_program("pg_basebackup", major=target.major)
    verify = find_program("pg_verifybackup", major=target.major)
    make_private(folder)
    path = folder / f"base-{stamp(moment)}"
    run(
        *(copy, "--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256"),
        *(f"--pgdata={path}", f"--dbname={target.conninfo}"),
        password=target.password,
    )
    run(verify, "--quiet", path)
    gather_erasures(folder)
    return path


def receive_wal(*, folder: Path) -> None:
    """Become the program that writes the server's log into the folder as it grows.

    It goes on until it is stopped, waits for a server that is away, and continues where it was.

    :raises BackupFailed: the program or the server refuses.
    """
    target = replication_target()
    program = find_program("pg_receivewal", major=target.major)
    make_private(folder)
    told = [f"--slot={SLOT}", f"--dbname={target.conninfo}"]
    run(program, "--create-slot", "--if-not-exists", *told, password=target.password)
    connections[OWNER_ALIAS].close()
    arguments = [str(program), f"--directory={folder}", "--synchronous", *told]
    os.execve(program, arguments, environment(target.password))

"""Chromium and axe-core, for the journeys."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

BASE_DIR = Path(__file__).resolve().parent.parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


class BrowserMissing(RuntimeError):
    """What the browser tests need is not installed; the message is the command that mends it."""


def chromium_path() -> str:
    """Return the browser's executable.

    :raises BrowserMissing: there is none.
    """
    chosen = os.environ.get("CHROMIUM")
    for name in (chosen,) if chosen else NAMES:
        if found := shutil.which(name):
            return found
    raise BrowserMissing("Chromium is missing: apt-get install -y chromium")


@contextlib.contextmanager
def launched_chromium() -> Iterator[Browser]:
    """Run the browser for the block."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def axe_script() -> str:
    """Return the source of axe-core.

    :raises BrowserMissing: the package is not installed.
    """
    path = BASE_DIR / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        raise BrowserMissing("axe-core is missing: npm ci")
    return path.read_text()

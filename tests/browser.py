"""A page in a real browser, from a file, with no way to the network."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["BROWSER", "Loaded", "load", "needs_browser"]

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine"),
]


class Loaded(NamedTuple):
    """What a browser made of a page."""

    dom: str
    console: list[str]
    requests: list[str]


def load(page: Path, folder: Path, *flags: str) -> Loaded:
    """Load a page; `requests` are the page's own, not those that the browser makes for itself."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            str(BROWSER),
            *FLAGS,
            *flags,
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    events = log.read_text(encoding="utf-8").splitlines()
    return Loaded(
        done.stdout,
        [line for line in done.stderr.splitlines() if "CONSOLE" in line],
        [line for line in events if "site=file://" in line and '"url":"http' in line],
    )

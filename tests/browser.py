"""A page in a real browser, from a file, with no way to the network."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

__all__ = ["BROWSER", "Loaded", "Session", "load", "needs_browser"]

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

_WITH_PIPES = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from its handle 3 and writes to 4."""

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


class Session:
    """A page that is used as a person does: clicks and keys, and files that it saves.

    The browser is spoken to through pipes, by its DevTools protocol.

    Args:
        page: The file.
        folder: For the browser's profile and what the page saves.
        width: Of the window.
        dark: Whether the system is dark.
    """

    def __init__(self, page: Path, folder: Path, width: int = 1280, *, dark: bool = False) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.console: list[str] = []
        self._number = 0
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        flags = (*FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WITH_PIPES, str(theirs_in), str(theirs_out), BROWSER, *flags],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest = b""
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        where = {"behavior": "allow", "downloadPath": str(folder)}
        self.call("Browser.setDownloadBehavior", **where)
        self.open(page)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def open(self, page: Path) -> None:
        """Load a page, whole."""
        self.call("Page.navigate", url=page.as_uri())
        end = time.monotonic() + 60
        while self.run("document.readyState + location.href") != f"complete{page.as_uri()}":
            assert time.monotonic() < end, "the page does not load"
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def click(self, selector: str) -> None:
        """Click with the mouse into the middle of the first element of that selector."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def press(self, key: str) -> None:
        """Press a key and let go of it."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def saved(self, name: str) -> Path:
        """A file that the page saves, once it is whole."""
        path, end = self.folder / name, time.monotonic() + 30
        while not path.is_file() or not path.stat().st_size:
            assert time.monotonic() < end, f"{name} is not saved"
            time.sleep(0.05)
        return path

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the browser, and wait for its answer; what happens meanwhile is written down."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                part = os.read(self._in, 1 << 20)
                assert part, "the browser has ended"
                self._rest += part
            line, _, self._rest = self._rest.partition(b"\0")
            found = json.loads(line)
            if found.get("id") == self._number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self._note(found)

    def _note(self, event: dict[str, Any]) -> None:
        name, values = event.get("method"), event.get("params", {})
        if name == "Network.requestWillBeSent":
            url = values["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:")):
                self.requests.append(url)
        elif name in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.console.append(json.dumps(values))

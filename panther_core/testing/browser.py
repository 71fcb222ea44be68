"""A real browser for the tests of pages: opened from a file, clicked, typed into, asked what it shows."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser of this machine, or None: tests are skipped without one."""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
    "--window-size=1200,900",
)
_DEADLINE = 60.0


class Browser:
    """A browser that is spoken to through two pipes, as its DevTools are."""

    def __init__(self, profile: Path) -> None:
        """Start it with an empty profile."""
        assert BROWSER
        theirs_in, self._write = os.pipe()
        self._read, theirs_out = os.pipe()
        high = [fcntl.fcntl(each, fcntl.F_DUPFD, 20) for each in (theirs_in, theirs_out)]
        null = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4)]
        actions += [(os.POSIX_SPAWN_DUP2, null, each) for each in (0, 1, 2)]
        argv = [BROWSER, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.pid = os.posix_spawn(BROWSER, argv, dict(os.environ), file_actions=actions, setpgroup=0)
        for each in (theirs_in, theirs_out, null, *high):
            os.close(each)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    session = ""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of DevTools and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _DEADLINE
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            chunk = os.read(self._read, 1 << 20) if ready else b""
            assert chunk, "the browser does not answer"
            self._buffer += chunk
        first, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, address: str) -> None:
        """Go there and wait until the page has run."""
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + _DEADLINE
        while self.js("document.readyState + location.protocol") not in ("completefile:", "completehttp:"):
            assert time.monotonic() < deadline, "the page does not load"

    def until(self, condition: str) -> None:
        """Wait until an expression of the page is true."""
        deadline = time.monotonic() + _DEADLINE
        while not self.js(condition):
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)

    def point(self, selector: str) -> tuple[float, float]:
        """Move the mouse into the middle of the first element that matches."""
        box = self.js(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        return box[0], box[1]

    def click(self, selector: str) -> None:
        """Click there."""
        x, y = self.point(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def close(self) -> None:
        """End it, and everything that it has started."""
        os.close(self._write)
        os.close(self._read)
        deadline = time.monotonic() + 10
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.killpg(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """Return errors of the page's scripts and of its policy, and addresses outside of it that it asked for."""
        wrong = [
            str(each) for each in self.events if each.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
        asked = [
            each["params"]["request"]["url"]
            for each in self.events
            if each.get("method") == "Network.requestWillBeSent"
        ]
        return wrong + [each for each in asked if not each.startswith(("file:", "about:", "data:"))]

"""The house beside a Locust run: a process that owns services and proxies, told by lines which fault to play."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent

READY_SECONDS = 240.0
END_SECONDS = 20.0
BACK_SECONDS = 5.0  # after a fault, until full quality is promised
LONGEST_SECONDS = 120
Fault = tuple[str, str, str]  # name, level, sentence


class HouseError(Exception):
    """The house did not open, or can't play what was asked; the message says why."""


class HouseDesk:
    """Starts `python -m loadtests house` with these options, and knows what is being played."""

    def __init__(self, *options: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.urls: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.playing: str | None = None
        self.last_words = ""
        self._options, self._clock = options, clock
        self._until = self._healed_at = float("-inf")
        self._process: subprocess.Popen[str] | None = None

    def open(self) -> None:
        """Returns when both services are ready; `HouseError` if they never are."""
        command = [sys.executable, "-m", "loadtests", "house", *self._options]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # a Ctrl-C is for Locust, which then closes the house
        )
        listener = gevent.spawn(self._listen, self._process)
        with gevent.Timeout(READY_SECONDS, HouseError("the house did not open in time")):
            while not self.urls:
                if listener.dead:
                    raise HouseError("the house did not open; its reason is above")
                gevent.sleep(0.1)

    def close(self) -> None:
        """Ends it, and with it every process that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def play(self, name: str, seconds: int) -> None:
        """Brings this fault on for so long; `HouseError` for an unknown one, or while another is on."""
        if self._process is None or self._process.stdin is None or self._process.poll() is not None:
            raise HouseError("the house is closed")
        if self.playing is not None:
            raise HouseError(f"{self.playing} is on; one at a time")
        if name not in {fault[0] for fault in self.faults} or not 1 <= seconds <= LONGEST_SECONDS:
            raise HouseError(f"no such fault, or not 1 to {LONGEST_SECONDS} seconds")
        self.playing, self.last_words = name, ""
        self._until = self._clock() + seconds
        self._process.stdin.write(f"{name} {seconds}\n")
        self._process.stdin.flush()

    @property
    def lately(self) -> bool:
        """A fault is on, or was within the time in which full quality must be back."""
        return self.playing is not None or self._clock() < self._healed_at + BACK_SECONDS

    @property
    def seconds_left(self) -> int:
        """Of the fault that is on; 0 while it is being healed."""
        return max(0, round(self._until - self._clock()))

    def hear(self, told: dict[str, Any]) -> None:
        """One line of the house."""
        if "ready" in told:
            self.faults = [(name, level, sentence) for name, level, sentence in told["ready"]["faults"]]
            self.urls = told["ready"]["urls"]
        elif "on" in told:
            self._until = self._clock() + told["seconds"]
        elif "off" in told:
            self.playing, self._healed_at = None, self._clock()
        elif "error" in told:
            self.last_words = told["error"]

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.hear(json.loads(line))
        self.playing = None
        self.last_words = "the house is closed"

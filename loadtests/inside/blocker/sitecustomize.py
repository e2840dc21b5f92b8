"""Python runs this first in a process that has this folder on its path: SIGUSR2 then blocks the event loop.

A handler of Python's runs on the main thread, which is the loop's; other threads go on meanwhile.
"""

import signal
import time

BLOCKED_S = 0.6  # two looks of the watchdog, so that it can't be missed


def _block(*_: object) -> None:
    time.sleep(BLOCKED_S)


signal.signal(signal.SIGUSR2, _block)

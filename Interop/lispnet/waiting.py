"""Waiting with a limit. Nothing here sleeps for longer than one look at what is waited for."""

import time


class TimedOut(Exception):
    """What was waited for did not happen in time."""


def wait_until(what, condition, timeout, interval=0.1, ignoring=()):
    """Returns the first true value of `condition()`; raises TimedOut, naming `what`, after `timeout` seconds.

    Exceptions of the types in `ignoring` mean "not yet"; the last one is named when the time is over.
    """
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except ignoring as error:
            last = error
        if time.monotonic() >= end:
            reason = f" ({last})" if last else ""
            raise TimedOut(f"waited {timeout:g} s in vain: {what}{reason}")
        time.sleep(interval)

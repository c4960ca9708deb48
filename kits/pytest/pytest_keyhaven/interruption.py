"""A session that is ended by SIGTERM, as by `timeout` or a CI job, ends as by Ctrl+C: vaults are put back, the server is stopped."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def by_sigterm() -> Iterator[None]:
    """Until the end SIGTERM interrupts the session, unless the session handles it already."""
    is_ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_ours:
        signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def interrupt(*_: Any) -> None:
    """`timeout` sends the signal twice; the second one would interrupt the putting back."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt("SIGTERM")

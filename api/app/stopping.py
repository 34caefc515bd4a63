"""Tells answers that would go on for ever that the process is to stop. The server waits for open answers before it tells the application."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told(event: asyncio.Event) -> Iterator[None]:
    """Sets the event at SIGTERM and SIGINT, then lets the server's own handlers do what they do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(event.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        event.set()
        for number, handler in before.items():
            signal.signal(number, handler)

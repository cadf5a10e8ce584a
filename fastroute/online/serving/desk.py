"""Changes of a router that are acknowledged when they are in its log, many with one commit."""

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class _Waiting:
    """Who waits for a change, and what it came to."""

    __slots__ = ("answer", "call", "error", "future")

    def __init__(self, call: Callable[[], Any], future: "asyncio.Future[Any]") -> None:
        self.call, self.future = call, future
        self.answer: Any = None
        self.error: Exception | None = None

    def make(self) -> None:
        try:
            self.answer = self.call()
        except Exception as error:
            self.error = error

    def tell(self) -> None:
        # Whoever has gone away waits no more.
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.answer)
        else:
            self.future.set_exception(self.error)


class Desk:
    """A thread that makes changes one after another, and flushes once for all that came meanwhile.

    Parameters
    ----------
    flush : callable
        Returns when all changes so far are kept; raises OSError when they cannot be.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        #: Why the last flush has failed; None when it has not.
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="fastroute-desk", daemon=True)
        self._thread.start()

    async def do(self, call: Callable[[], Answer]) -> Answer:
        """Make a change, and return what it came to when it is kept.

        Raises
        ------
        Exception
            What the change raises; or what the flush raises, and then nobody knows whether the
            change is kept.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(call, future))
        return await future

    def close(self) -> None:
        """Make what still waits, and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            taken = [self._waiting.get()]
            while not self._waiting.empty():
                taken.append(self._waiting.get())
            open_ = None not in taken
            batch = [one for one in taken if one is not None]
            # While nothing can be kept, nothing is changed.
            if self.failure is None or self._kept():
                for one in batch:
                    one.make()
                self._kept()
            for one in batch:
                one.error = one.error or self.failure
            for loop in {one.future.get_loop() for one in batch}:
                mine = [one for one in batch if one.future.get_loop() is loop]
                loop.call_soon_threadsafe(partial(_tell_all, mine))

    def _kept(self) -> bool:
        try:
            self._flush()
        except Exception as error:
            self.failure = error
        else:
            self.failure = None
        return self.failure is None


def _tell_all(batch: list[_Waiting]) -> None:
    for one in batch:
        one.tell()

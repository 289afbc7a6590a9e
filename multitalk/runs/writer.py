"""Writes what is finished while the next window is made.

One thread does the work in the order it was given. Whoever gives the work of a window first waits
for that of the window before, so that one window at most is on its way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

import torch

logger = logging.getLogger("multitalk")

Work = Callable[[], object]


class Writer:
    """A thread for one window at a time; after an error it does nothing more.

    A context manager: leaving it waits as `wait`, or as `settle` where an error was told before.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "multitalk-writer")
        self._pending: list[Future[None]] = []
        self._error: BaseException | None = None
        self._told = False  # whether somebody got the error

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        try:
            if kind is None and not self._told:
                self.wait()
        finally:
            self.close()

    def add(self, work: Work) -> None:
        """Do this after what was given before, in the caller's context."""
        context, inference = copy_context(), torch.is_inference_mode_enabled()
        self._pending.append(self._pool.submit(context.run, self._do, work, inference=inference))

    def wait(self) -> None:
        """Wait until all that was given is done.

        Raises:
            BaseException: What the first work that failed raised.
        """
        self._finish()
        if self._error is not None:
            self._told = True
            raise self._error

    def check(self) -> None:
        """Stop early where the disk refused; nothing is waited for.

        Raises:
            OSError: What the first work that failed raised.
        """
        if isinstance(self._error, OSError):
            self._told = True
            raise self._error

    def settle(self) -> None:
        """Wait as `wait`, for somebody who stops because of another error."""
        self._finish()
        if self._error is not None and not self._told:
            self._told = True
            logger.warning("[MultiTalk] a finished window could not be written: %s", self._error)

    def close(self) -> None:
        """Wait for all, and end the thread."""
        self.settle()
        self._pool.shutdown()

    def _finish(self) -> None:
        while self._pending:
            self._pending[0].result()
            del self._pending[0]

    def _do(self, work: Work, *, inference: bool) -> None:
        if self._error is not None:
            return
        try:
            with torch.inference_mode(inference):
                work()
        except BaseException as error:  # noqa: BLE001  (raised where it is waited for)
            self._error = error

"""While a forward waits for the other cards: a user is told, and may cancel.

The thread that waits hears nothing, so another one looks. What is done in time needs neither.
"""

from __future__ import annotations

import threading

import comfy.model_management
from comfy_execution.utils import get_executing_context

from ...multitalk.words import count
from ..progress import send_text
from .workers import LOOK_S, Workers

NOTICE_S = 60.0  # a forward that takes as long may be one that hangs


class Watch:
    """A context manager around a forward."""

    def __init__(self, workers: Workers, patience_s: float) -> None:
        """`patience_s` is what a rank may take before the forward ends with an error."""
        running = get_executing_context()
        self._node_id = None if running is None else running.node_id
        self._workers, self._patience_s = workers, patience_s
        self._over = threading.Event()
        self.cancelled = False

    def __enter__(self) -> Watch:
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()

    def _look(self) -> None:
        """Tell after a while, and from then on look whether the user cancelled."""
        if self._over.wait(NOTICE_S):
            return
        waited, whole = (count(round(time), "second") for time in (NOTICE_S, self._patience_s))
        send_text(
            f"waiting for the other cards for {waited}; without an answer the run ends after "
            f"{whole}. You may cancel it.",
            self._node_id,
        )
        while not self._over.wait(LOOK_S):
            if comfy.model_management.processing_interrupted():
                self.cancelled = True
                self._workers.close()  # what waits for them ends with an error
                return

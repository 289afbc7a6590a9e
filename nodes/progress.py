"""What a user sees while a node works: bar, previews, a growing video, and words.

Words stand under the node. The classic editor breaks its lines anywhere, also inside a word, so an
editor gets texts whose words hold together; other programs get them as they are.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import comfy.utils
import latent_preview
from comfy_api import feature_flags
from comfy_api.v0_0_2 import ui
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from PIL import Image
from torch import Tensor

from ..multitalk.words import count
from .texts import writable

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

logger = logging.getLogger("multitalk.nodes")

WAITING_S = 4.0  # what is done sooner needs no words
WORD_JOINER = "\u2060"  # invisible; no line ends at it
LONGEST_WORD = 24  # characters; longer ones, paths for example, may end a line at a sign


def send_text(text: str, node_id: str | None) -> None:
    """Show a line under a node while it runs; nothing happens without a server."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is None or node_id is None or not node_id.isprintable():  # it is sent as UTF-8
        return
    text, node_id = writable(text), _shown_node(node_id)
    programs = list(server.sockets_metadata)
    if not any(_is_editor(server, program) for program in programs):
        server.send_progress_text(text, node_id)
        return
    for program in programs:
        shown = whole_words(text) if _is_editor(server, program) else text
        server.send_progress_text(shown, node_id, program)


def send_event(name: str, data: dict[str, Any]) -> None:
    """Tell the editor's pages something; nothing happens without a server."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_sync(name, data)


def _shown_node(node_id: str) -> str:
    """The node that a person sees: of one that was made while a node ran, that node."""
    return get_progress_state().dynprompt.get_display_node_id(node_id)


def whole_words(text: str) -> str:
    """The same text for an editor that would break lines inside words: each holds together."""
    return re.sub(r"\S+", lambda found: _whole(found.group()), text)


def _whole(word: str) -> str:
    if len(word) <= LONGEST_WORD:
        return WORD_JOINER.join(word)
    pieces = re.findall(r"[^/\\_.,;:-]*[/\\_.,;:-]*", word)
    return "".join(p if len(p) > LONGEST_WORD else WORD_JOINER.join(p) for p in pieces)


def _is_editor(server: Any, program: str | None) -> bool:
    """Whether what is connected shows nodes; it says so when it connects."""
    flag = "supports_preview_metadata"
    return feature_flags.supports_feature(server.sockets_metadata, program, flag)


def show_early(shown: ui.PreviewVideo) -> None:
    """Show a video under the running node as if it were done already, in an editor only.

    Other programs may take what `executed` names for the result, which has another name later.
    """
    from server import PromptServer

    server, running = getattr(PromptServer, "instance", None), get_executing_context()
    if server is None or running is None or not _is_editor(server, server.client_id):
        return
    node_id = running.node_id
    message = {
        "node": node_id,
        "display_node": _shown_node(node_id),
        "output": {name: list(values) for name, values in shown.as_dict().items()},
        "prompt_id": running.prompt_id,
    }
    server.send_sync("executed", message, server.client_id)


class Waiting:
    """Words under the running node for work that takes long; none for what is done soon.

    A context manager. Leaving it after four seconds or more says what was done, and how long it
    took; after an error nothing, for that has words of its own.
    """

    def __init__(self, doing: str, done: str) -> None:
        """`doing` and `done` tell what is done, for example "loading x" and "loaded x"."""
        running = get_executing_context()
        self._node_id = None if running is None else running.node_id
        self._text, self._done, self._said = doing, done, False
        self._lock = threading.Lock()
        self._timer = threading.Timer(WAITING_S, self._speak)
        self._timer.daemon = True

    def __enter__(self) -> Waiting:
        self._begin = time.monotonic()
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        from ..multitalk.runs.report import duration

        self._timer.cancel()
        with self._lock:
            self._node_id, node_id = None, self._node_id
        if self._said and kind is None:
            send_text(f"{self._done} in {duration(time.monotonic() - self._begin)}", node_id)

    def say(self, text: str) -> None:
        """What is being done now."""
        self._text = text
        if self._said:
            self._speak()

    def _speak(self) -> None:
        with self._lock:  # nothing is said after the end
            self._said = self._node_id is not None
            send_text(self._text, self._node_id)


class StepProgress:
    """Progress of one run: steps over all windows, previews, and words that say where it is."""

    def __init__(
        self,
        model: ModelPatcher,
        steps: int,
        windows: int,
        node_id: str | None,
        *,
        previews: bool = True,
        each_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin the bar.

        `previews` off: the editor would show them instead of the node's video, also afterwards.
        `each_step` is called after every step, and may stop the run.
        """
        self._steps, self._windows, self._node_id = steps, windows, node_id
        self._bar = comfy.utils.ProgressBar(steps * windows)
        self._previews, self._previewer, self._each_step = previews, None, each_step
        if previews:
            latent_format = model.get_model_object("latent_format")
            self._previewer = latent_preview.get_previewer(model.load_device, latent_format)
        self._begin, self._begin_done, self._done = time.monotonic(), 0, 0

    def skip(self, windows: int) -> None:
        """Count windows that are there already; the time left is measured from here."""
        self._begin, self._begin_done = time.monotonic(), windows * self._steps
        self._done = self._begin_done
        if windows:
            self._bar.update_absolute(self._begin_done, self._steps * self._windows)

    def callback(self, window: int) -> Callable[[int, Tensor, Tensor, int], None]:
        """The host sampler's callback for window number `window` (from 0)."""

        def update(step: int, denoised: Tensor, _x: Tensor, _total: int) -> None:
            self._each_step()
            preview = None
            if self._previewer is not None:
                # The middle of the window says more than its first frame.
                middle = denoised.shape[2] // 2
                preview = self._previewer.decode_latent_to_preview_image(
                    "JPEG", denoised[:, :, middle : middle + 1]
                )
            self._done = window * self._steps + step + 1
            self._bar.update_absolute(self._done, self._steps * self._windows, preview)
            if self._done == self._begin_done + 1:
                self._log_first()
            self._say(f"window {window + 1} of {self._windows}, step {step + 1} of {self._steps}")

        return update

    def preparing(self) -> None:
        """Say that the next window begins; before the first, the plan stays to be read."""
        if self._done > self._begin_done:
            self._say(f"preparing window {self._window + 1} of {self._windows}")

    def decoding(self) -> None:
        """Say that the frames of a window are being made."""
        self._say(f"decoding window {self._window} of {self._windows}")

    def show(self, window: int, frame: Tensor) -> None:
        """Preview a frame of finished window `window`, whatever preview method the host is set to.

        The host makes the frame, [H, W, 3] uint8, smaller for the editor, whole.
        """
        preview = None
        if self._previews:
            picture = Image.fromarray(frame.cpu().numpy())
            preview = ("JPEG", picture, latent_preview.MAX_PREVIEW_RESOLUTION)
        self._bar.update_absolute((window + 1) * self._steps, self._steps * self._windows, preview)

    @property
    def _window(self) -> int:
        """Windows whose steps are all done."""
        return self._done // self._steps

    def _say(self, where: str) -> None:
        send_text(f"{where}{self._time_left()}", self._node_id)

    def _time_left(self) -> str:
        """From the mean of the steps so far, decoding included."""
        from ..multitalk.runs.report import clock

        new, missing = self._done - self._begin_done, self._steps * self._windows - self._done
        if new == 0 or missing == 0:
            return ""
        return f", about {clock(self._mean_s(new) * missing)} left"

    def _mean_s(self, steps: int) -> float:
        return (time.monotonic() - self._begin) / steps

    def _log_first(self) -> None:
        """Once in a run, after its first step."""
        from ..multitalk.runs.report import clock

        mean_s, total = self._mean_s(1), self._steps * self._windows
        logger.info(
            "[MultiTalk] the first step took %s: about %s left for %s",
            clock(mean_s),
            clock(mean_s * (total - self._done)),
            count(self._windows - self._begin_done // self._steps, "window"),
        )

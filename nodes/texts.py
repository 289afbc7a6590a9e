r"""Every text that leaves a node can be written: to the log, to the editor, to a file.

Names from files and prompts reach texts. Half of a surrogate pair, which JSON allows as \ud800 and
file names that are not UTF-8 have, cannot be written: the host's logger fails on it, and with it
its worker, while the server answers on. A control character can move a terminal's cursor. Found in
field.md section 2.
"""

from __future__ import annotations

import functools
import inspect
import logging
import re
import traceback
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import comfy.model_management
from comfy_api.v0_0_2 import io, ui
from comfy_execution.utils import get_executing_context

Node = TypeVar("Node", bound=type[io.ComfyNode])


class Say(Protocol):
    """Shows a sentence under the node of an id, and where its value was typed."""

    def __call__(self, sentence: str, node_id: str | None, *, running: bool) -> object:
        """Show it; a prompt is `running`, or the host only looks at one."""


LOGGERS = ("multitalk", "multitalk.nodes", "kokoro")  # all of the pack

_METHODS = ("execute", "check_lazy_status", "fingerprint_inputs", "validate_inputs")
_RUNNING = ("execute", "check_lazy_status")  # an error of these ends the run
# Halves of surrogate pairs, control characters but tabs and line feeds, and marks that turn the
# direction of the text that follows them.
_UNWRITABLE = re.compile("[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def writable(text: str) -> str:
    """A text with what cannot be written, or would act on a terminal, as Python escapes it."""
    return _UNWRITABLE.sub(lambda found: ascii(found.group())[1:-1], text)


def with_writable_texts(node: Node, say: Say) -> Node:
    """The same class; what its methods return, and the errors they raise, can be written.

    An error that ends a run, or a refusal before it, is said in the graph too: the editor hides
    it behind a button.
    """
    for name in _METHODS:
        method = vars(node).get(name)
        # The host may ask for the nodes again: what is wrapped stays as it is.
        if isinstance(method, classmethod) and not hasattr(method.__func__, "__wrapped__"):
            setattr(node, name, classmethod(_checked(name, method.__func__, say)))
    return node


def clean_logs() -> None:
    """Make the lines of the pack's loggers writable, once per process."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if _clean_record not in logger.filters:
            logger.addFilter(_clean_record)


def _clean_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = writable(record.getMessage()), None
    return True


def _checked(name: str, method: Callable[..., Any], say: Say) -> Callable[..., Any]:
    def shows(sentence: str, *, running: bool) -> None:
        context = get_executing_context()
        say(writable(sentence), None if context is None else context.node_id, running=running)

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = _clean(method(*args, **kwargs))
        except comfy.model_management.InterruptProcessingException as stop:
            if name in _RUNNING:  # the host's has no words; a run's says what is kept
                shows(str(stop) or "stopped", running=True)
            raise
        except Exception as error:
            _clean_error(error)
            if name in _RUNNING and str(error):
                shows(str(error), running=True)
            if _says_unwritable(error):  # a text that is made anew each time it is asked for
                shown = writable(str(error))
                raise RuntimeError(shown) from None
            raise
        if name == "validate_inputs" and isinstance(result, str):
            shows(result, running=False)
        return result

    # The host asks for the names of the arguments in a way that looks through no wrapper.
    vars(call)["__signature__"] = inspect.signature(method)
    return call


def _clean(result: Any) -> Any:
    """What a method returns; links to other nodes, with names of files, stay as they are."""
    if isinstance(result, str):
        return writable(result)
    if isinstance(result, io.NodeOutput):
        result.args = tuple(writable(arg) if isinstance(arg, str) else arg for arg in result.args)
        if isinstance(result.ui, ui.PreviewText):
            result.ui.value = writable(result.ui.value)
    return result


def _clean_error(error: BaseException) -> None:
    """Make the texts of an error writable, and of those that led to it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if any(isinstance(arg, str) and writable(arg) != arg for arg in one.args):
            one.args = tuple(writable(arg) if isinstance(arg, str) else arg for arg in one.args)
        waiting += [one.__cause__, one.__context__]


def _says_unwritable(error: BaseException) -> bool:
    text = "".join(traceback.format_exception(error))
    return writable(text) != text

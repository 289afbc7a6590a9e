"""Talk to a running ComfyUI over HTTP and WebSocket. Standard library only.

with HostClient("127.0.0.1:8188") as client:
    prompt["1"]["inputs"]["image"] = client.upload(Path("face.png"))
    entry = client.run(prompt, on_event=print)
    for file in files_of(entry):
        client.download(file, Path("results"))
"""

from __future__ import annotations

import json
import mimetypes
import re
import shutil
import time
import urllib.parse
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import failures
from .answers import Answer, Deadline, Question, split_address
from .events import LOST_RUN, MAY_GO_ON, Event, event_of, raise_failure
from .refusals import refusal
from .storing import store
from .texts import brief, plain_name
from .websocket import WebSocket

TERMINAL = ("execution_success", "execution_error", "execution_interrupted")
IDLE_SECONDS = 2.0
HISTORY_SECONDS = 10.0
CONNECT_SECONDS = 30.0
FILE_BYTES, UNTOLD_BYTES = 4 << 30, 512 << 20  # of a download; of one whose length nobody tells
LONG_JSON_BYTES = 64 << 20  # all schemas, a history with its graph
ID_FORM = re.compile("[!-~]{1,200}")
BACKLOG, BACKLOG_LETTERS = 1000, 65536  # events of other prompts that are kept, and of each
START_HINT = "Start ComfyUI, or give its address with --address HOST:PORT."

OnEvent = Callable[[Event], None]


class HostClient:
    """One client of a running host. Not for use by several threads, except `interrupt`.

    All that it does may raise `UnreachableError`, where the host does not answer or what answers
    is none, and TimeoutError, where `deadline` has come.
    """

    def __init__(self, address: str, deadline: Deadline | None = None) -> None:
        """Connect to host and port, `127.0.0.1:8188`."""
        self.address = address
        self.client_id = uuid.uuid4().hex
        self.deadline = deadline or Deadline()
        self._backlog: deque[Event] = deque(maxlen=BACKLOG)
        try:
            host, port = split_address(address)
            timeout = min(CONNECT_SECONDS, self.deadline.left())
            path = f"/ws?clientId={self.client_id}"
            self._socket = WebSocket(host, port, path, timeout=timeout)
        except (OSError, ValueError, OverflowError) as error:
            self.deadline.left()
            raise failures.UnreachableError(
                f"No ComfyUI answers at {address} ({brief(error, 200)}).", hint=START_HINT
            ) from error

    def __enter__(self) -> HostClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _ask(
        self, path: str, data: bytes | None = None, content: str = "application/json"
    ) -> Answer:
        return Answer(self.address, Question(path, data, content), self.deadline)

    def _request(self, path: str, value: object = None) -> bytes:
        """What the host answers, to a JSON value if one is given."""
        with self._ask(path, None if value is None else json.dumps(value).encode()) as answer:
            if answer.status != 200:
                raise answer.refused(path.partition("?")[0])
            return answer.read()

    def _members(self, path: str) -> dict[str, Any]:
        """The JSON object that the host answers."""
        with self._ask(path) as answer:
            if answer.status != 200:
                raise answer.refused(path)
            return answer.members(LONG_JSON_BYTES)

    def queue(
        self, prompt: Mapping, *, workflow: Mapping | None = None, prompt_id: str = ""
    ) -> str:
        """Queue a prompt in API form and give its id: a new one, or `prompt_id`.

        `workflow` is the same graph in editor form, to be written into the files that it makes.
        With an id of one's own the prompt can be cancelled whatever happens.

        Raises:
            RefusedError: If the host refuses the prompt or a part of it; then nothing of it runs.
        """
        value: dict = {"prompt": prompt, "client_id": self.client_id}
        if prompt_id:
            value["prompt_id"] = prompt_id
        if workflow is not None:
            value["extra_data"] = {"extra_pnginfo": {"workflow": workflow}}
        with self._ask("/prompt", json.dumps(value).encode()) as answer:
            if answer.status == 400 and (fault := answer.fault()):
                raise refusal("the prompt", fault, prompt)
            if answer.status != 200:
                raise answer.refused("the prompt")
            body = answer.members()
            queued = body.get("prompt_id")
            if not isinstance(queued, str) or not ID_FORM.fullmatch(queued):
                raise answer.odd("to the prompt has no prompt_id")
        if body.get("node_errors"):
            self.cancel(queued)
            raise refusal("a part of the prompt", body, prompt)
        return queued

    def wait(
        self, prompt_id: str, on_event: OnEvent | None = None, *, timeout: float = 600.0
    ) -> dict:
        """Wait until a prompt has ended; gives its entry in the history.

        That holds `outputs` by node id, and `status`. `on_event` is called with every event of
        this prompt, in order. The timeout is in seconds.

        Raises:
            HostError: If a node failed; the message names it.
            HostInterruptedError: If the prompt was interrupted.
            TimeoutError: If it did not end in time.
        """
        for event in self._events(prompt_id, timeout):
            if on_event is not None:
                on_event(event)
            if event.kind in TERMINAL:
                break
        ended = Deadline(HISTORY_SECONDS)
        while (entry := self.history(prompt_id)) is None:  # it is written just after the event
            if ended.is_over():
                raise failures.UnreachableError(
                    f"Prompt {prompt_id} ended, but the host has no result of it.", hint=LOST_RUN
                )
            time.sleep(0.02)
        raise_failure(entry)
        return entry

    def _events(self, prompt_id: str, timeout: float) -> Iterator[Event]:
        deadline = Deadline(timeout, self.deadline)
        kept, self._backlog = self._backlog, deque(maxlen=BACKLOG)
        idle = Deadline(IDLE_SECONDS)
        while not deadline.is_over():
            seconds = min(IDLE_SECONDS, deadline.end - time.monotonic())
            event = kept.popleft() if kept else self._receive(seconds)
            if event is not None and event.data.get("prompt_id") == prompt_id:
                idle = Deadline(IDLE_SECONDS)
                yield event
            elif event is not None and event.kind == "binary":
                yield event
            elif event is not None:
                self._keep(event)
            if not kept and idle.is_over():  # also while others make noise
                idle = Deadline(IDLE_SECONDS)
                if self.history(prompt_id) is not None:
                    return
        raise TimeoutError(f"Prompt {prompt_id} did not end within {timeout:g} s.")

    def _keep(self, event: Event) -> None:
        """Keep an event of another prompt, for who waits for that one later."""
        if "prompt_id" in event.data and len(str(event.data)) <= BACKLOG_LETTERS:
            self._backlog.append(event)

    def _receive(self, seconds: float) -> Event | None:
        try:
            message = self._socket.receive(seconds)
            return None if message is None else event_of(message)
        except OSError as error:
            text = f"The connection to the host is lost: {brief(error, 200)}"
            raise failures.UnreachableError(text, hint=MAY_GO_ON) from error

    def run(
        self, prompt: Mapping, on_event: OnEvent | None = None, *, timeout: float = 600.0
    ) -> dict:
        """Queue a prompt and wait until it has ended: see `queue` and `wait`."""
        return self.wait(self.queue(prompt), on_event, timeout=timeout)

    def history(self, prompt_id: str) -> dict | None:
        """Look up an ended prompt; None while it waits or runs."""
        path = f"/history/{urllib.parse.quote(prompt_id, safe='')}"
        entry = self._members(path).get(prompt_id)
        if entry is not None and not isinstance(failures.mapping(entry).get("outputs"), dict):
            text = f"What {self.address} answers about the prompt has no outputs."
            raise failures.UnreachableError(text, hint=LOST_RUN)
        return entry

    def knows(self, prompt_id: str) -> bool:
        """Tell whether a prompt waits, runs or has ended on the host as it is now."""
        waits = prompt_id in self._waiting_ids()
        return waits or self.history(prompt_id) is not None  # this order: one may end between

    def _waiting_ids(self) -> list[str]:
        queue = self._members("/queue")
        lists = [queue.get(name) for name in ("queue_running", "queue_pending")]
        items = [item for each in lists if isinstance(each, list) for item in each]
        return [str(item[1]) for item in items if isinstance(item, list) and len(item) > 1]

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Stop this prompt, if it runs; None stops whatever runs."""
        self._request("/interrupt", {} if prompt_id is None else {"prompt_id": prompt_id})

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt out of the queue, or stop it if it runs already."""
        self._request("/queue", {"delete": [prompt_id]})
        self.interrupt(prompt_id)

    def free(self) -> None:
        """Make the host forget its cached outputs and unload its models."""
        self._request("/free", {"unload_models": True, "free_memory": True})

    def object_info(self, node: str | None = None) -> dict:
        """Read the schemas of one class of nodes or of all; empty if the host has no such class."""
        return self._members("/object_info" if node is None else f"/object_info/{node}")

    def upload(self, path: Path, *, name: str = "", subfolder: str = "") -> str:
        """Put a file into the host's input folder, over one of the same name.

        Gives its name as LoadImage and LoadAudio take it; StorageError if it cannot be stored.
        """
        border = uuid.uuid4().hex
        name = name or plain_name(path.name)
        content = mimetypes.guess_type(name)[0] or "application/octet-stream"
        part = f'--{border}\r\nContent-Disposition: form-data; name="'
        fields = {"overwrite": "true", "type": "input", "subfolder": subfolder}
        head = "".join(f'{part}{field}"\r\n\r\n{value}\r\n' for field, value in fields.items())
        head += f'{part}image"; filename="{name}"\r\nContent-Type: {content}\r\n\r\n'
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise failures.UsageError(f"{path} cannot be read ({error.strerror}).") from error
        data = head.encode() + contents + f"\r\n--{border}--\r\n".encode()
        with self._ask("/upload/image", data, f"multipart/form-data; boundary={border}") as answer:
            if answer.status != 200:
                raise failures.StorageError(
                    f"The host could not store {path.name}: it answered {answer.line}.",
                    hint="Its disk is full or its input folder is closed: see the end of its log.",
                )
            stored = answer.members()
            if not isinstance(stored.get("name"), str):
                raise answer.odd("to an upload has no name")
        folder = stored.get("subfolder")
        return f"{folder}/{stored['name']}" if folder else stored["name"]

    def _view(self, file: Mapping) -> Answer:
        """Open a file that a prompt made; HostError if the host does not give it."""
        names = {name: str(file.get(name, "")) for name in ("filename", "subfolder", "type")}
        answer = self._ask(f"/view?{urllib.parse.urlencode(names, errors='replace')}")
        if answer.status == 200:
            return answer
        with answer:
            raise failures.HostError(
                f"The host does not give {names['filename']}: it answered {answer.line}.",
                hint="Look for it in the host's output folder.",
            )

    def view(self, file: Mapping) -> bytes:
        """Read a file that a prompt made, one of `files_of`."""
        with self._view(file) as answer:
            return answer.read(UNTOLD_BYTES)

    def download(
        self, file: Mapping, folder: Path, name: str = "", *, replace: bool = False
    ) -> Path:
        """Copy one of `files_of` into a folder, give its path; StorageError if that fails.

        Without a name it goes directly into the folder, under a plain form of the host's name. If
        another file has the name already, it gets a number, or with `replace` takes its place.
        """
        with self._view(file) as answer:
            _check_space(answer.length or 0, folder)
            most = UNTOLD_BYTES if answer.length is None else FILE_BYTES
            path = folder / (name or plain_name(file["filename"]))
            return store(answer.pieces(most), path, replace=replace)


def _check_space(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free if folder.exists() else size
    if size > free:
        raise failures.storage_failure(
            f"{folder} has {free >> 20} MiB left; the file has {size >> 20} MiB."
        )

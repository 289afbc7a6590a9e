"""Talk to a running ComfyUI over HTTP and WebSocket. Standard library only.

with HostClient("127.0.0.1:8188") as client:
    prompt["1"]["inputs"]["image"] = client.upload(Path("face.png"))
    entry = client.run(prompt, on_event=print)
    for file in files_of(entry):
        client.download(file, Path("results"))
"""

from __future__ import annotations

import http.client
import json
import mimetypes
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import failures
from .websocket import WebSocket

TERMINAL = ("execution_success", "execution_error", "execution_interrupted")
IDLE_SECONDS = 2.0
HISTORY_SECONDS = 10.0
START_HINT = "Start ComfyUI, or give its address with --address HOST:PORT."
LOST = "The host ended the connection; the reason is at the end of its log."


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the host. It sends `progress` about ten times a second at most."""

    kind: str  # `progress`, `executing`, `executed` and so on; `binary` for previews
    data: dict  # the host's; for `binary` the number of its type and the payload as bytes


OnEvent = Callable[[Event], None]


def fetch(request: urllib.request.Request | str, timeout: float) -> bytes:
    """Read an answer, never through a proxy: the host is on this machine or near it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as answer:
        return answer.read()


def files_of(entry: Mapping) -> Iterator[dict]:
    """Filename, subfolder and type of what the entry of a prompt names, in order of the nodes."""
    for output in entry["outputs"].values():
        for values in output.values():
            for value in values if isinstance(values, list) else ():
                if isinstance(value, dict) and "filename" in value:
                    yield value


class HostClient:
    """One client of a running host. Not for use by several threads, except `interrupt`."""

    def __init__(self, address: str) -> None:
        """Connect to host and port, `127.0.0.1:8188`; UnreachableError if no ComfyUI answers."""
        self.address = address
        self.client_id = uuid.uuid4().hex
        self._backlog: list[Event] = []
        name, _, port = address.rpartition(":")
        try:
            self._socket = WebSocket(name, int(port), f"/ws?clientId={self.client_id}")
        except OSError as error:
            raise failures.UnreachableError(
                f"No ComfyUI answers at {address} ({error}).", hint=START_HINT
            ) from error

    def __enter__(self) -> HostClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _request(
        self, path: str, data: bytes | None = None, content: str = "application/json"
    ) -> bytes:
        headers = {} if data is None else {"Content-Type": content}
        request = urllib.request.Request(f"http://{self.address}{path}", data=data, headers=headers)
        try:
            return fetch(request, timeout=120)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise failures.UnreachableError(
                f"{self.address} does not answer any more ({error}).", hint=START_HINT
            ) from error

    def _post(self, path: str, value: object) -> bytes:
        return self._request(path, json.dumps(value).encode())

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
        try:
            body = json.loads(self._post("/prompt", value))
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            if error.code != 400:
                raise failures.HostError(
                    f"The host answered {error.code} {error.reason} to the prompt."
                ) from error
            raise failures.refusal("the prompt", json.loads(text), prompt) from error
        prompt_id = body["prompt_id"]
        if body.get("node_errors"):
            self.cancel(prompt_id)
            raise failures.refusal("a part of the prompt", body, prompt)
        return prompt_id

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
        deadline = time.monotonic() + HISTORY_SECONDS
        while (entry := self.history(prompt_id)) is None:  # it is written just after the event
            if time.monotonic() > deadline:
                raise TimeoutError(f"Prompt {prompt_id} ended but is not in the host's history.")
            time.sleep(0.02)
        for kind, data in entry["status"]["messages"]:
            if kind == "execution_error":
                raise failures.run_failure(data)
            if kind == "execution_interrupted":
                raise failures.HostInterruptedError("The prompt was interrupted.", details=data)
        return entry

    def _events(self, prompt_id: str, timeout: float) -> Iterator[Event]:
        deadline = time.monotonic() + timeout
        kept, self._backlog = self._backlog, []
        while time.monotonic() < deadline:
            event = kept.pop(0) if kept else self._receive()
            if event is None:
                if self.history(prompt_id) is not None:
                    return
            elif event.kind == "binary" or event.data.get("prompt_id") == prompt_id:
                yield event
            elif "prompt_id" in event.data:
                self._backlog.append(event)
        raise TimeoutError(f"Prompt {prompt_id} did not end within {timeout:.0f} s.")

    def _receive(self) -> Event | None:
        try:
            message = self._socket.receive(IDLE_SECONDS)
        except ConnectionError as error:
            raise failures.UnreachableError(LOST) from error
        if message is None:
            return None
        if isinstance(message, bytes):
            kind = int.from_bytes(message[:4], "big")
            return Event("binary", {"type": kind, "payload": message[4:]})
        value = json.loads(message)
        return Event(value["type"], value.get("data") or {})

    def run(
        self, prompt: Mapping, on_event: OnEvent | None = None, *, timeout: float = 600.0
    ) -> dict:
        """Queue a prompt and wait until it has ended: see `queue` and `wait`."""
        return self.wait(self.queue(prompt), on_event, timeout=timeout)

    def history(self, prompt_id: str) -> dict | None:
        """Look up an ended prompt; None while it waits or runs."""
        return json.loads(self._request(f"/history/{prompt_id}")).get(prompt_id)

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Stop this prompt, if it runs; None stops whatever runs."""
        self._post("/interrupt", {} if prompt_id is None else {"prompt_id": prompt_id})

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt out of the queue, or stop it if it runs already."""
        self._post("/queue", {"delete": [prompt_id]})
        self.interrupt(prompt_id)

    def free(self) -> None:
        """Make the host forget its cached outputs and unload its models."""
        self._post("/free", {"unload_models": True, "free_memory": True})

    def object_info(self, node: str | None = None) -> dict:
        """Read the schemas of one class of nodes or of all; empty if the host has no such class."""
        return json.loads(self._request("/object_info" if node is None else f"/object_info/{node}"))

    def upload(self, path: Path, *, subfolder: str = "") -> str:
        """Put a file into the host's input folder, over one of the same name.

        Gives its name as LoadImage and LoadAudio take it; StorageError if it cannot be stored.
        """
        border = uuid.uuid4().hex
        name = path.name.replace('"', "%22")
        content = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        part = f'--{border}\r\nContent-Disposition: form-data; name="'
        fields = {"overwrite": "true", "type": "input", "subfolder": subfolder}
        head = "".join(f'{part}{field}"\r\n\r\n{value}\r\n' for field, value in fields.items())
        head += f'{part}image"; filename="{name}"\r\nContent-Type: {content}\r\n\r\n'
        data = head.encode() + path.read_bytes() + f"\r\n--{border}--\r\n".encode()
        try:
            body = self._request("/upload/image", data, f"multipart/form-data; boundary={border}")
        except urllib.error.HTTPError as error:
            error.close()
            raise failures.StorageError(
                f"The host could not store {path.name}: it answered {error.code} {error.reason}.",
                hint="Its disk is full or its input folder is closed: see the end of its log.",
            ) from error
        answer = json.loads(body)
        return f"{answer['subfolder']}/{answer['name']}" if answer["subfolder"] else answer["name"]

    def view(self, file: Mapping) -> bytes:
        """Read a file that a prompt made, one of `files_of`."""
        names = ("filename", "subfolder", "type")
        query = urllib.parse.urlencode({name: file.get(name, "") for name in names})
        return self._request(f"/view?{query}")

    def download(self, file: Mapping, folder: Path, name: str = "") -> Path:
        """Copy one of `files_of` into a folder, give its path; StorageError if that fails."""
        path = folder / (name or file["filename"])
        contents = self.view(file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
        except OSError as error:
            raise failures.write_failure(str(path), error) from error
        return path

"""Start the host as a process of its own and talk to it over HTTP and WebSocket.

Standard library only: dev.py uses it before anything is installed.

    with HostProcess(HostSettings(base=folder)) as host, HostClient(host.address) as client:
        entry = client.run(prompt, on_event=print)
"""

from __future__ import annotations

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

from .process import HostError, HostProcess, HostSettings
from .websocket import WebSocket

__all__ = [
    "Event",
    "HostClient",
    "HostError",
    "HostInterruptedError",
    "HostProcess",
    "HostSettings",
    "files_of",
    "render_refusal",
]

TERMINAL = ("execution_success", "execution_error", "execution_interrupted")
IDLE_SECONDS = 2.0
HISTORY_SECONDS = 10.0


class HostInterruptedError(HostError):
    """The prompt was stopped by an interruption."""


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the host. It sends `progress` about ten times a second at most."""

    kind: str
    """`progress`, `executing`, `executed` and so on; `binary` for previews."""
    data: dict
    """The host's data; for `binary` the number of its type and the payload as bytes."""


OnEvent = Callable[[Event], None]


def render_refusal(body: Mapping, prompt: Mapping) -> str:
    """Say in words why the host refused a prompt.

    Args:
        body: The host's answer with `error` and `node_errors`.
        prompt: The prompt in API form, for the names of the nodes.

    Returns:
        One sentence per fault, the node's id and class first.
    """
    sentences = []
    for node_id, node in (body.get("node_errors") or {}).items():
        name = node.get("class_type") or prompt.get(node_id, {}).get("class_type", "unknown class")
        for error in node.get("errors", []):
            details = f" ({error['details']})" if error.get("details") else ""
            sentences.append(
                f"node {node_id} {name}: {error['message']}{details} [{error['type']}]"
            )
    if not sentences:
        error = body.get("error") or {}
        if isinstance(error, str):
            error = {"type": "error", "message": error}
        details = error.get("details") or ""
        rest = f" ({details})" if details and details != error.get("message") else ""
        sentences.append(
            f"{error.get('message', 'no reason given')}{rest} [{error.get('type', 'unknown')}]"
        )
    return "; ".join(sentences)


def files_of(entry: Mapping) -> Iterator[dict]:
    """Name the files that a finished prompt made.

    Args:
        entry: Entry of the history.

    Yields:
        Dicts with filename, subfolder and type, in the order of the nodes.
    """
    for output in entry["outputs"].values():
        for values in output.values():
            if isinstance(values, list):
                yield from (
                    value for value in values if isinstance(value, dict) and "filename" in value
                )


class HostClient:
    """One client of a running host. Not for use by several threads, except `interrupt`."""

    def __init__(self, address: str) -> None:
        """Connect.

        Args:
            address: Host and port, for example `127.0.0.1:8188`.
        """
        self.address = address
        self.client_id = uuid.uuid4().hex
        # Never through a proxy: the host is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._prompts: dict[str, Mapping] = {}
        self._backlog: list[Event] = []
        name, _, port = address.rpartition(":")
        self._socket = WebSocket(name, int(port), f"/ws?clientId={self.client_id}")

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
        with self._opener.open(request, timeout=120) as answer:
            return answer.read()

    def _post(self, path: str, value: object) -> bytes:
        return self._request(path, json.dumps(value).encode())

    def queue(self, prompt: Mapping, *, workflow: Mapping | None = None) -> str:
        """Queue a prompt.

        Args:
            prompt: Graph in API form.
            workflow: The same graph in editor form, to be written into the files that it makes.

        Returns:
            The prompt's id.

        Raises:
            HostError: If the host refuses the prompt or a part of it; then nothing of it runs.
        """
        value: dict = {"prompt": prompt, "client_id": self.client_id}
        if workflow is not None:
            value["extra_data"] = {"extra_pnginfo": {"workflow": workflow}}
        try:
            body = json.loads(self._post("/prompt", value))
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            if error.code != 400:
                raise HostError(
                    f"The host answered {error.code} {error.reason} to the prompt."
                ) from error
            raise HostError(
                f"The host refused the prompt: {render_refusal(json.loads(text), prompt)}"
            ) from error
        prompt_id = body["prompt_id"]
        if body.get("node_errors"):
            self.cancel(prompt_id)
            raise HostError(
                f"The host refused a part of the prompt: {render_refusal(body, prompt)}"
            )
        self._prompts[prompt_id] = prompt
        return prompt_id

    def wait(
        self, prompt_id: str, on_event: OnEvent | None = None, *, timeout: float = 600.0
    ) -> dict:
        """Wait until a prompt has ended.

        Args:
            prompt_id: As `queue` gave it.
            on_event: Called with every event of this prompt, in order.
            timeout: Seconds to wait.

        Returns:
            The prompt's entry in the history: `outputs` by node id, and `status`.

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
        self._raise_failure(entry)
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
            raise HostError(
                "The host ended the connection; the reason is at the end of its log."
            ) from error
        if message is None:
            return None
        if isinstance(message, bytes):
            return Event(
                "binary", {"type": int.from_bytes(message[:4], "big"), "payload": message[4:]}
            )
        value = json.loads(message)
        return Event(value["type"], value.get("data") or {})

    def _raise_failure(self, entry: Mapping) -> None:
        for kind, data in entry["status"]["messages"]:
            if kind == "execution_error":
                message = " ".join(data["exception_message"].split())
                node = f"Node {data['node_id']} {data['node_type']}"
                text = f"{node} failed: {data['exception_type']}: {message}"
                raise HostError(text, details=data)
            if kind == "execution_interrupted":
                raise HostInterruptedError("The prompt was interrupted.", details=data)

    def run(
        self, prompt: Mapping, on_event: OnEvent | None = None, *, timeout: float = 600.0
    ) -> dict:
        """Queue a prompt and wait until it has ended: see `queue` and `wait`.

        Args:
            prompt: Graph in API form.
            on_event: Called with every event of this prompt.
            timeout: Seconds to wait.

        Returns:
            The prompt's entry in the history.
        """
        return self.wait(self.queue(prompt), on_event, timeout=timeout)

    def history(self, prompt_id: str) -> dict | None:
        """Look up an ended prompt.

        Args:
            prompt_id: As `queue` gave it.

        Returns:
            Its entry, or None while it waits or runs.
        """
        return json.loads(self._request(f"/history/{prompt_id}")).get(prompt_id)

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Stop a running prompt.

        Args:
            prompt_id: Stop only this one, if it runs; None stops whatever runs.
        """
        self._post("/interrupt", {} if prompt_id is None else {"prompt_id": prompt_id})

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt out of the queue, or stop it if it runs already.

        Args:
            prompt_id: As `queue` gave it.
        """
        self._post("/queue", {"delete": [prompt_id]})
        self.interrupt(prompt_id)

    def free(self) -> None:
        """Make the host forget its cached outputs and unload its models."""
        self._post("/free", {"unload_models": True, "free_memory": True})

    def object_info(self, node: str | None = None) -> dict:
        """Read the nodes' schemas.

        Args:
            node: Only this class; None means all.

        Returns:
            Schemas by class; empty if the host does not know the class.
        """
        return json.loads(self._request("/object_info" if node is None else f"/object_info/{node}"))

    def upload(self, path: Path, *, subfolder: str = "") -> str:
        """Put a picture or sound into the host's input folder, over one of the same name.

        Args:
            path: The file.
            subfolder: Folder below the input folder.

        Returns:
            Its name as LoadImage and LoadAudio take it.
        """
        border = uuid.uuid4().hex
        content = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        fields = {"overwrite": "true", "type": "input", "subfolder": subfolder}
        parts = [
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        parts.append(
            f"--{border}\r\n"
            f'Content-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
            f"Content-Type: {content}\r\n\r\n"
        )
        data = "".join(parts).encode() + path.read_bytes() + f"\r\n--{border}--\r\n".encode()
        answer = json.loads(
            self._request("/upload/image", data, f"multipart/form-data; boundary={border}")
        )
        return f"{answer['subfolder']}/{answer['name']}" if answer["subfolder"] else answer["name"]

    def view(self, file: Mapping) -> bytes:
        """Read a file that a prompt made.

        Args:
            file: Dict with filename, subfolder and type, as `files_of` gives it.

        Returns:
            Its contents.
        """
        names = ("filename", "subfolder", "type")
        query = urllib.parse.urlencode({name: file.get(name, "") for name in names})
        return self._request(f"/view?{query}")

    def download(self, file: Mapping, folder: Path) -> Path:
        """Copy a file that a prompt made.

        Args:
            file: Dict with filename, subfolder and type, as `files_of` gives it.
            folder: Where to; made if it is not there.

        Returns:
            Path of the copy.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / file["filename"]
        path.write_bytes(self.view(file))
        return path

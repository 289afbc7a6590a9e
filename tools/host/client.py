"""The host as a process of its own, and the client of workflows/api that talks to it.

with HostProcess(HostSettings(base=folder)) as host, HostClient(host.address) as client:
    entry = client.run(prompt, on_event=print)
"""

from __future__ import annotations

from pack.workflows.api.client import HostClient
from pack.workflows.api.events import Event, files_of
from pack.workflows.api.failures import HostError, HostInterruptedError
from pack.workflows.api.refusals import render_refusal

from .process import HostProcess, HostSettings

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

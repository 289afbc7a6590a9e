"""What a host refused, in words: a sentence per fault, and one list of all files it does not have.

Where a file belongs and where it comes from stands in the graphs beside this folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .failures import MESSAGE_LETTERS, RefusedError, mapping
from .texts import brief, shown

GRAPHS = Path(__file__).resolve().parents[1]
VALUE_LETTERS = 200
MODEL_SUFFIXES = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
FOLDERS = {  # below models, of inputs that name a file
    "base": "diffusion_models",
    "unet_name": "diffusion_models",
    "audio_part": "model_patches",
    "vae_name": "vae",
    "clip_name": "text_encoders or clip_vision",
    "encoder": "audio_encoders",
    "model": "kokoro",
}
NOT_THERE = ("Invalid image file", "Invalid audio file", "Invalid video file")  # the host's loaders
UNCHOSEN = " is chosen yet"  # of a sentence in the place of an empty choice


class Fault(NamedTuple):
    """A fault of one input of one node."""

    node_id: str
    node: str  # id and class
    kind: str  # the host's word for what is wrong
    field: str
    value: object
    words: str  # what is wrong with the input, in words


class Missing(NamedTuple):
    """A file that the host does not have."""

    file: str
    wanted: str  # by which inputs of which nodes
    folder: str  # of ComfyUI, empty if it is not known
    url: str  # empty if it is not known


def refusal(what: str, body: Mapping, prompt: Mapping) -> RefusedError:
    """Make the error for what the host refused; it is about the first node and input.

    The host's answer has `error` and `node_errors`; the prompt has classes that it leaves out.
    """
    faults = _faults(body, prompt)
    missing = _missing(faults)
    first = faults[0] if faults else None
    error = RefusedError(
        f"The host refused {what}: {render_refusal(body, prompt)}.",
        details=body,
        node=first.node_id if first else "",
        field=first.field if first else "",
        hint=_hint(body, missing),
    )
    error.missing = tuple(file._asdict() for file in missing)
    return error


def render_refusal(body: Mapping, prompt: Mapping) -> str:
    """Say in words why the host refused a prompt, without a stop at the end: see `refusal`."""
    faults = _faults(body, prompt)
    missing = _missing(faults)
    sentences = [f"{fault.node}: {fault.words}" for fault in faults if not _file_of(fault)]
    if missing:
        number = "a file" if len(missing) == 1 else f"{len(missing)} files"
        sentences.insert(0, f"it does not have {number} that the prompt names")
    return brief("; ".join(sentences) or _in_words(_of_all(body)), MESSAGE_LETTERS)


def _faults(body: Mapping, prompt: Mapping) -> list[Fault]:
    return [_read(node_id, node, fault, prompt) for node_id, node, fault in _answers(body)]


def _answers(body: Mapping) -> Iterator[tuple[str, Mapping, Mapping]]:
    """Id, answer and fault of every node that the host names."""
    for node_id, node in mapping(body.get("node_errors")).items():
        errors = mapping(node).get("errors")
        for fault in errors if isinstance(errors, list) else ():
            yield node_id, mapping(node), mapping(fault)


def _of_all(body: Mapping) -> Mapping:
    """The fault of the whole prompt."""
    error = body.get("error")
    return {"type": "error", "message": error} if isinstance(error, str) else mapping(error)


def _plain(words: object) -> str:
    """Words of a host in one line, without a stop at the end."""
    return " ".join(str(words).split()).rstrip(".")


def _in_words(error: Mapping) -> str:
    """A fault in the host's words; its details may say the message again."""
    message, details = error.get("message", "no reason given"), error.get("details")
    rest = f" ({_plain(details)})" if details and details != message else ""
    return f"{_plain(message)}{rest}"


def _read(node_id: str, node: Mapping, fault: Mapping, prompt: Mapping) -> Fault:
    name = node.get("class_type") or mapping(prompt.get(node_id)).get("class_type", "unknown class")
    about = mapping(fault.get("extra_info"))
    kind, field = str(fault.get("type")), str(about.get("input_name", ""))
    value = about.get("received_value")
    words = _words(kind, field, about, fault)
    return Fault(node_id, f"node {node_id} {name}", kind, field, value, words)


def _words(kind: str, field: str, about: Mapping, fault: Mapping) -> str:
    """What is wrong with an input, as our own nodes say it, where the host's words are raw."""
    given = brief(json.dumps(about.get("received_value"), default=str), VALUE_LETTERS)
    config = about.get("input_config")
    takes = config[0] if isinstance(config, list) and len(config) > 1 else None
    limits = mapping(config[1]) if isinstance(config, list) and len(config) > 1 else {}
    sentences = {
        "required_input_missing": f"{field} is missing",
        "value_smaller_than_min": f"{field} is {given}; the least is {limits.get('min')}",
        "value_bigger_than_max": f"{field} is {given}; the most is {limits.get('max')}",
        "invalid_input_type": f"{field} is {given}; it takes {takes}",
        "return_type_mismatch": f"{field} takes {takes}, and {about.get('received_type')} comes in",
        "value_not_in_list": f"{field} is {given}, which is not one of its choices",
        "custom_validation_failed": _details(fault),
    }
    choices = limits.get("options") if takes == "COMBO" else takes
    if kind == "value_not_in_list" and isinstance(choices, list) and choices:
        listed = brief(", ".join(map(str, choices)), VALUE_LETTERS)
        return f"{field} is {given}; it takes {listed}"
    return (field and sentences.get(kind)) or _in_words(fault)


def _details(fault: Mapping) -> str:
    """What a node says of its input; of an empty choice without the host's word for a file."""
    said = _plain(fault.get("details")).partition(" - ")[2]
    return said.partition(": ")[2] if UNCHOSEN in said and said.startswith(NOT_THERE) else said


def _file_of(fault: Fault) -> str:
    """Name of the file that is not there, if that is what is wrong."""
    if fault.kind == "custom_validation_failed" and fault.words.startswith(NOT_THERE):
        return fault.words.partition(": ")[2]
    value = fault.value if fault.kind == "value_not_in_list" else None
    return value if isinstance(value, str) and value.endswith(MODEL_SUFFIXES) else ""


def _missing(faults: list[Fault]) -> list[Missing]:
    """Each file once, in the order of the faults."""
    wanted: dict[str, list[Fault]] = {}
    for fault in faults:
        if file := _file_of(fault):
            wanted.setdefault(file, []).append(fault)
    known = _known_files() if wanted else {}
    missing = []
    for file, by in wanted.items():
        field = by[0].field.rpartition(".")[2].rstrip("_0123456789")
        folder = "loras" if field == "lora" else FOLDERS.get(field, "")
        if by[0].kind == "custom_validation_failed":
            place, url = "input", ""
        else:
            folder, url = known.get(file.replace("\\", "/").rpartition("/")[2], (folder, ""))
            place = f"models/{folder}" if folder else ""
        users = ", ".join(f"{fault.field} of {fault.node}" for fault in by)
        missing.append(Missing(file, users, place, url))
    return missing


def _known_files() -> dict[str, tuple[str, str]]:
    """Folder below models, and address, of the files that the graphs beside this folder use."""
    known: dict[str, tuple[str, str]] = {}
    for path in sorted(GRAPHS.glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            graph = json.loads(path.read_text(encoding="utf-8"))
            inner = [n for part in graph["definitions"]["subgraphs"] for n in part["nodes"]]
            for node in [*graph["nodes"], *inner]:
                for model in mapping(node.get("properties")).get("models", ()):
                    known.setdefault(model["name"], (model["directory"], model["url"]))
    return known


def _hint(body: Mapping, missing: list[Missing]) -> str:
    error = _of_all(body)
    if error.get("type") == "missing_node_type":
        name = str(mapping(error.get("extra_info")).get("class_type", ""))
        ours = not name or name.startswith("MultiTalk")
        pack = "this pack" if ours else f"the pack that has {name}"
        return f"Put {pack} into ComfyUI's custom_nodes and start ComfyUI again."
    if not missing:
        return ""
    media = all(file.folder == "input" for file in missing)
    if media:
        return "Upload your own with --image and --sound."
    files, others = ("file", "another") if len(missing) == 1 else ("files", "others")
    return f"Put the {files} there, or choose {others} with --set NODE.INPUT=FILE."


def list_missing(files: tuple[Mapping, ...]) -> list[str]:
    """Lines for people: each file, who wants it, where it belongs, where it comes from."""
    lines = []
    for file in files:
        lines.append(f"  {shown(file['file'])}")
        place = f"; it belongs in {file['folder']}" if file["folder"] else ""
        lines.append(f"    {shown('for ' + file['wanted'])}{place}")
        if file["url"]:
            lines.append(f"    {file['url']}")
    return lines

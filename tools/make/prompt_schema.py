"""The JSON Schema of the API prompts, from the schemas of the nodes. `graphs.py` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pack.tools.host.process import PACK_NAME

from .graph_forms import WIDGET_TYPES, Schemas, growing_names

DRAFT = "https://json-schema.org/draft/2020-12/schema"
# The host's own nodes that `dev.py job` and `--image`, `--sound` put into prompts.
ADDED_NODES = (
    "AudioConcat", "AudioMerge", "GetVideoComponents", "ImageFromBatch", "LoadAudio", "LoadImage",
    "LoadVideo", "TrimAudioDuration",
)  # fmt: skip
LINK = {"$ref": "#/$defs/link"}
TYPES = {"INT": "integer", "FLOAT": "number", "STRING": "string", "BOOLEAN": "boolean"}
# Lists of files differ from machine to machine: any text is right, the host checks it.
FILE_LISTS = {("MultiTalkLoadKokoro", "model")}
MODEL_SUFFIXES = (".safetensors", ".gguf", ".pth", ".pt", ".ckpt", ".bin", ".sft")

Json = dict[str, Any]


def prompt_schema(schemas: Schemas, prompts: Iterable[Mapping[str, Any]]) -> Json:
    """Write the schema.

    Args:
        schemas: The host's /object_info.
        prompts: The shipped prompts; their classes are described, and all of this pack.

    Returns:
        The JSON Schema.
    """
    own = {n for n, s in schemas.items() if s["python_module"] == f"custom_nodes.{PACK_NAME}"}
    used = {node["class_type"] for prompt in prompts for node in prompt.values()}
    names = sorted(own | used | set(ADDED_NODES))
    node: Json = {
        "type": "object",
        "properties": {
            "class_type": {"type": "string"},
            "inputs": {"type": "object"},
            "_meta": {"type": "object"},
        },
        "required": ["class_type", "inputs"],
        "allOf": [
            {
                "if": {
                    "properties": {"class_type": {"const": name}},
                    "required": ["class_type"],
                },
                "then": {"properties": {"inputs": {"$ref": f"#/$defs/{name}"}}},
            }
            for name in names
        ],
    }
    link = {
        "description": "Output of another node: its id and the number of the output, from 0.",
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer", "minimum": 0}],
        "minItems": 2,
        "maxItems": 2,
    }
    return {
        "$schema": DRAFT,
        "title": "Prompts of the MultiTalk nodes for ComfyUI's /prompt",
        "description": "Nodes by id. Other classes than those below are allowed as they are.",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/node"},
        "$defs": {"node": node, "link": link} | {n: _inputs(n, schemas[n]) for n in names},
    }


def _inputs(name: str, schema: Mapping[str, Any]) -> Json:
    """The inputs of one class."""
    result: Json = {"type": "object", "properties": {}, "required": [], "allOf": []}
    own = schema["python_module"] == f"custom_nodes.{PACK_NAME}"
    if own and schema.get("description"):  # the host's own texts change from version to version
        result = {"description": schema["description"], **result}
    for part in ("required", "optional"):
        for field in schema["input_order"].get(part, []):
            _add(result, name, field, schema["input"][part][field], needed=part == "required")
    result["additionalProperties"] = False
    return {key: value for key, value in result.items() if value != []}


def _add(result: Json, name: str, field: str, spec: Sequence[Any], *, needed: bool) -> None:
    """One input of a class; dynamic ones become several."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    if kind == "COMFY_AUTOGROW_V3":
        for index, inner in enumerate(growing_names(options["template"])):
            result["properties"][f"{field}.{inner}"] = LINK
            if index < options["template"]["min"]:
                result["required"].append(f"{field}.{inner}")
        return
    if needed:
        result["required"].append(field)
    if kind == "COMFY_DYNAMICCOMBO_V3":
        _add_choice(result, name, field, options)
    else:
        result["properties"][field] = _value(name, field, kind, options)


def _add_choice(result: Json, name: str, field: str, options: Mapping[str, Any]) -> None:
    """An input whose choice brings inputs of its own."""
    keys = [choice["key"] for choice in options["options"]]
    result["properties"][field] = {"enum": keys, **_words(options)}
    inner: dict[str, Json] = {}
    for choice in options["options"]:
        part: Json = {"properties": {}, "required": []}
        for group in ("required", "optional"):
            for each, spec in choice["inputs"].get(group, {}).items():
                _add(part, name, f"{field}.{each}", spec, needed=group == "required")
        inner[choice["key"]] = part
        result["properties"] |= part["properties"]
    every = sorted({each for part in inner.values() for each in part["properties"]})
    for key, part in inner.items():
        then: Json = {"required": part["required"]} if part["required"] else {}
        unused = [each for each in every if each not in part["properties"]]
        if unused:
            then["properties"] = dict.fromkeys(unused, False)
        if then:
            condition = {"properties": {field: {"const": key}}, "required": [field]}
            result["allOf"].append({"if": condition, "then": then})


def _words(options: Mapping[str, Any]) -> Json:
    words: Json = {}
    if options.get("tooltip"):
        words["description"] = options["tooltip"]
    if options.get("default") is not None:
        words["default"] = options["default"]
    return words


def _value(name: str, field: str, kind: str | list[str], options: Mapping[str, Any]) -> Json:
    """A socket takes a link; a widget a value or a link."""
    is_list = isinstance(kind, list) or kind == "COMBO"
    if not is_list and (kind not in WIDGET_TYPES or options.get("forceInput")):
        return {**LINK, **_words(options)}
    value: Json
    if is_list:
        choices = kind if isinstance(kind, list) else options.get("options", [])
        value = {"type": "string"} if _is_file_list(name, field, choices, options) else {}
        value = value or {"enum": list(choices)}
    else:
        value = {"type": TYPES[str(kind)]}
        for word, key in (("minimum", "min"), ("maximum", "max")):
            if key in options:
                value[word] = options[key]
    return {"anyOf": [value, LINK], **_words(options)}


def _is_file_list(name: str, field: str, choices: Sequence[Any], options: Mapping) -> bool:
    uploads = any(key.endswith("_upload") for key in options)
    return (
        uploads
        or not choices
        or (name, field) in FILE_LISTS
        or any(str(choice).endswith(MODEL_SUFFIXES) for choice in choices)
    )

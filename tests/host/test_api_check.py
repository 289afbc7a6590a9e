"""prompts.schema.json and the check that reads it."""

from __future__ import annotations

import copy
import json

import pytest

from pack.workflows.api.check import SCHEMA_FILE, describe, faults, read_schema
from pack.workflows.api.edit import graph_names, read_prompt

SCHEMA = read_schema()
SAMPLER = "6"  # in toy_one_speaker


def check(prompt):
    return {"/".join(fault.path): fault.message for fault in faults(SCHEMA, prompt, SCHEMA)}


def changed(**inputs):
    prompt = read_prompt("toy_one_speaker")
    prompt[SAMPLER]["inputs"] |= {name.replace("__", "."): v for name, v in inputs.items()}
    return prompt


@pytest.mark.parametrize("name", graph_names())
def test_shipped_prompt_is_valid(name):
    assert check(read_prompt(name)) == {}


def test_schema_names_its_language_and_is_ascii():
    text = SCHEMA_FILE.read_text(encoding="ascii")
    assert json.loads(text)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_schema_uses_only_words_that_the_check_knows():
    known = {
        "$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "description", "enum",
        "if", "maxItems", "maximum", "minItems", "minimum", "prefixItems", "properties", "required",
        "then", "type",
    }  # fmt: skip

    def words(schema):
        for word, value in schema.items():
            yield word
            if word == "properties":
                parts = list(value.values())
            elif word in ("allOf", "anyOf", "prefixItems"):
                parts = value
            else:
                parts = [value] if word in ("if", "then", "additionalProperties") else []
            for part in parts:
                if isinstance(part, dict):
                    yield from words(part)

    used = {word for definition in SCHEMA["$defs"].values() for word in words(definition)}
    assert used <= known


@pytest.mark.parametrize(
    ("inputs", "place", "message"),
    [
        ({"seed": "abc"}, "seed", 'is "abc"; it takes a whole number from 0 to 184467440737095516'),
        ({"seed": 1.5}, "seed", "is 1.5; it takes a whole number"),
        ({"seed": True}, "seed", "is true; it takes a whole number"),
        ({"apg": 1}, "apg", "is 1; it takes true or false"),
        ({"preset__steps": 0}, "preset.steps", "is 0; it takes a whole number from 1 to 200"),
        (
            {"rule": "both"},
            "rule",
            'is "both"; it takes one of auto, multitalk, infinitetalk, flashtalk',
        ),
        ({"model": "toy"}, "model", 'is "toy"; it takes a link such as ["1", 0]'),
        ({"model": ["2"]}, "model", 'is ["2"]; it takes a link'),
        ({"sead": 1}, "sead", "is not an input of this node"),
        ({"preset": "full"}, "preset.steps", "is not used with the other inputs as they are"),
        (
            {"preset": "fast"},
            "preset",
            "it takes one of full, FusionX, lightx2v, FlashTalk, custom",
        ),
    ],
)
def test_wrong_input_is_named_with_what_is_allowed(inputs, place, message):
    found = check(changed(**inputs))
    assert message in found[f"{SAMPLER}/inputs/{place}"]


def test_any_widget_takes_a_link():
    assert check(changed(seed=["9", 0])) == {}


def test_missing_inputs_are_named():
    prompt = read_prompt("toy_one_speaker")
    del prompt[SAMPLER]["inputs"]["speech"], prompt[SAMPLER]["inputs"]["preset.shift"]
    assert check(prompt) == {
        f"{SAMPLER}/inputs/speech": "is missing",
        f"{SAMPLER}/inputs/preset.shift": "is missing",
    }


def test_optional_inputs_may_be_left_out():
    prompt = read_prompt("toy_one_speaker")
    for name in ("overlap", "rule", "colour_match"):
        del prompt[SAMPLER]["inputs"][name]
    assert check(prompt) == {}


def test_other_classes_are_allowed_but_must_be_nodes():
    prompt = copy.deepcopy(read_prompt("toy_one_speaker"))
    prompt["99"] = {"class_type": "SomebodysNode", "inputs": {"anything": [1, 2, 3]}}
    assert check(prompt) == {}
    prompt["100"] = {"inputs": {}}
    assert check(prompt) == {"100/class_type": "is missing"}


def test_every_node_of_the_pack_is_described():
    own = [name for name in SCHEMA["$defs"] if name.startswith("MultiTalk")]
    assert len(own) >= 17
    sampler = SCHEMA["$defs"]["MultiTalkSampler"]["properties"]["preset.steps"]
    assert sampler["default"] == 40
    assert describe(sampler) == "a whole number from 1 to 200"

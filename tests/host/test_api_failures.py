"""Kinds of failure, as the host words them."""

from __future__ import annotations

import errno

import pytest

from pack.workflows.api.failures import (
    EXIT_CODES,
    HostError,
    MemoryFullError,
    StorageError,
    run_failure,
    write_failure,
)
from pack.workflows.api.refusals import list_missing, refusal

PROMPT = {"3": {"class_type": "Sampler", "inputs": {}}}


def failure(kind, message):
    data = {
        "node_id": "3",
        "node_type": "Sampler",
        "exception_type": kind,
        "exception_message": message,
    }
    return run_failure(data)


@pytest.mark.parametrize(
    "words",
    [
        "The video file a.mp4 could not be written: the disk is full.",
        "The video could not be saved in /a: the disk is full.",
        "The finished video could not be put into the folder /a: the disk is full.",
    ],
)
def test_a_video_file_that_could_not_be_written_is_known_by_its_words(words):
    assert isinstance(failure("OSError", words), StorageError)
    assert not isinstance(failure("OSError", "the weights cannot be read"), StorageError)
    assert not isinstance(failure("ValueError", "it could not be written"), StorageError)


def all_kinds(kind=HostError):
    return {kind, *(each for sub in kind.__subclasses__() for each in all_kinds(sub))}


def test_every_kind_has_an_exit_code_of_its_own():
    codes = [kind.code for kind in all_kinds()]
    assert sorted(codes) == list(range(1, 8))
    assert set(EXIT_CODES) == {0, *codes}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torch.OutOfMemoryError", "Allocation on device 0 would exceed allowed memory."),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB."),
        ("MemoryError", ""),
        ("RuntimeError", "MPS backend out of memory (MPS allocated: 5.51 GB)"),
    ],
)
def test_memory_has_a_code_of_its_own(kind, message):
    error = failure(kind, message)
    assert isinstance(error, MemoryFullError)
    assert (error.code, error.node, "smaller size" in error.hint) == (6, "3", True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS])
def test_disk_has_a_code_of_its_own(number):
    error = failure("av.error.OSError", f"[Errno {number}] Something: 'a.mp4'")
    assert isinstance(error, StorageError)
    assert (error.code, error.node) == (7, "3")


def test_any_other_failure_is_the_nodes():
    error = failure("ValueError", "overlap is 4;\n WAN needs 4n+1 frames.")
    assert type(error) is HostError
    assert str(error) == "Node 3 Sampler failed: overlap is 4; WAN needs 4n+1 frames."
    assert error.as_json() == {
        "code": 1,
        "kind": "node failed",
        "node": "3",
        "input": "",
        "message": str(error),
        "hint": "",
    }
    assert error.details["exception_type"] == "ValueError"


def fault(kind, field, value=None, config=None, details=""):
    about = {"input_name": field, "received_value": value, "input_config": config}
    return {"type": kind, "message": "raw", "details": details, "extra_info": about}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (fault("value_not_in_list", "rule", "x", [["a", "b"], {}]), 'rule is "x"; it takes a, b'),
        (
            fault("value_not_in_list", "rule", "x", ["COMBO", {"options": ["a"]}]),
            'rule is "x"; it takes a',
        ),
        (fault("value_not_in_list", "rule", "x"), 'rule is "x", which is not one of its choices'),
        (
            fault("value_smaller_than_min", "fps", 0, ["INT", {"min": 1}]),
            "fps is 0; the least is 1",
        ),
        (fault("value_bigger_than_max", "fps", 9, ["INT", {"max": 1}]), "fps is 9; the most is 1"),
        (fault("invalid_input_type", "fps", "a", ["INT", {}]), 'fps is "a"; it takes INT'),
        (fault("required_input_missing", "fps"), "fps is missing"),
        (fault("custom_validation_failed", "a", details="a - a is wrong."), "a is wrong"),
        (
            fault(
                "custom_validation_failed",
                "audio",
                details="audio - Invalid audio file: no sound is chosen yet. Choose one.",
            ),
            "no sound is chosen yet. Choose one",
        ),
        (fault("new_kind", "fps", details="of a\nnew  host"), "raw (of a new host)"),
        ({"type": "new_kind"}, "no reason given"),
    ],
)
def test_refusal_names_node_and_input(given, words):
    error = refusal("the prompt", {"node_errors": {"3": {"errors": [given]}}}, PROMPT)
    assert (error.code, error.node, error.missing) == (4, "3", ())
    assert error.field == given.get("extra_info", {}).get("input_name", "")
    assert str(error) == f"The host refused the prompt: node 3 Sampler: {words}."


def test_files_that_are_not_there_are_one_list():
    """Known files have an address; one that two nodes want stands there once."""
    known, folder = "wan_2.1_vae.safetensors", "split_files/vae/wan_2.1_vae.safetensors"
    first = [
        fault("value_not_in_list", "vae_name", known),
        fault("value_not_in_list", "loras.lora_1", "my\u202e.safetensors"),
        fault("custom_validation_failed", "image", details="image - Invalid image file: a.png"),
    ]
    other = [fault("value_not_in_list", "vae_name", known), fault("required_input_missing", "fps")]
    body = {"node_errors": {"3": {"errors": first}, "4": {"errors": other, "class_type": "Video"}}}
    error = refusal("the prompt", body, PROMPT)
    assert str(error) == (
        "The host refused the prompt: it does not have 3 files that the prompt names; "
        "node 4 Video: fps is missing."
    )
    lines = list_missing(error.missing)
    assert lines[:2] == [
        f"  {known}",
        "    for vae_name of node 3 Sampler, vae_name of node 4 Video; it belongs in models/vae",
    ]
    assert lines[2].startswith("    https://")
    assert lines[2].endswith(folder)
    assert lines[3:] == [
        "  my\\u202e.safetensors",
        "    for loras.lora_1 of node 3 Sampler; it belongs in models/loras",
        "  a.png",
        "    for image of node 3 Sampler; it belongs in input",
    ]
    assert error.as_json()["message"].endswith(f"Missing: {known}, my\u202e.safetensors, a.png.")
    assert [file["folder"] for file in error.as_json()["missing"]] == [
        "models/vae", "models/loras", "input",
    ]  # fmt: skip
    assert error.hint == "Put the files there, or choose others with --set NODE.INPUT=FILE."


def test_missing_pack_says_what_to_do():
    body = {"error": {"type": "missing_node_type", "message": "Node 'X' not found."}}
    assert "Put this pack into ComfyUI's custom_nodes" in refusal("the prompt", body, PROMPT).hint
    body["error"]["extra_info"] = {"class_type": "MultiTalkSampler"}
    assert "Put this pack" in refusal("the prompt", body, PROMPT).hint
    body["error"]["extra_info"] = {"class_type": "VHS_LoadVideo"}
    assert "Put the pack that has VHS_LoadVideo" in refusal("the prompt", body, PROMPT).hint


def test_own_disk_is_told_apart_by_the_path():
    error = write_failure("out/a.mp4", OSError(errno.ENOSPC, "whatever"))
    assert str(error) == "out/a.mp4 could not be written: No space left on device."

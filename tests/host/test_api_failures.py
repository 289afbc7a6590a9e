"""Kinds of failure, as the host words them."""

from __future__ import annotations

import errno

import pytest

from pack.workflows.api.failures import (
    EXIT_CODES,
    HostError,
    MemoryFullError,
    StorageError,
    refusal,
    run_failure,
    write_failure,
)

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
    assert str(error) == "Node 3 Sampler failed: ValueError: overlap is 4; WAN needs 4n+1 frames."
    assert error.as_json() == {
        "code": 1,
        "kind": "node failed",
        "node": "3",
        "input": "",
        "message": str(error),
        "hint": "",
    }
    assert error.details["exception_type"] == "ValueError"


def test_refusal_names_node_and_input():
    fault = {
        "type": "value_not_in_list",
        "message": "Value not in list",
        "details": "base: 'a' not in []",
        "extra_info": {"input_name": "base"},
    }
    error = refusal("the prompt", {"node_errors": {"3": {"errors": [fault]}}}, PROMPT)
    assert (error.code, error.node, error.field) == (4, "3", "base")
    assert str(error).startswith("The host refused the prompt: node 3 Sampler: Value not in list")
    assert "--image and --sound upload yours" in error.hint


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

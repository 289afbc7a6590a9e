from pack.tools.host.client import files_of, render_refusal

PROMPT = {"3": {"class_type": "Sampler", "inputs": {}}}


def test_fault_of_a_node_names_node_class_and_input():
    body = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed"},
        "node_errors": {
            "3": {
                "class_type": "Sampler",
                "errors": [
                    {
                        "type": "value_bigger_than_max",
                        "message": "Value 200 bigger than max of 100",
                        "details": "steps",
                        "extra_info": {
                            "input_name": "steps",
                            "input_config": ["INT", {"min": 1, "max": 100}],
                            "received_value": 200,
                        },
                    },
                    {"type": "invalid", "message": "No", "details": ""},
                ],
            }
        },
    }
    assert render_refusal(body, PROMPT) == (
        "node 3 Sampler: steps is 200; the most is 100; node 3 Sampler: No"
    )


def test_class_is_taken_from_the_prompt_if_the_host_leaves_it_out():
    body = {"node_errors": {"3": {"errors": [{"type": "t", "message": "m", "details": ""}]}}}
    assert render_refusal(body, PROMPT) == "node 3 Sampler: m"


def test_fault_of_the_whole_prompt_is_said_once():
    error = {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": ""}
    assert render_refusal({"error": error, "node_errors": {}}, {}) == "Prompt has no outputs"
    error["details"] = error["message"]
    assert "outputs (" not in render_refusal({"error": error}, {})


def test_unknown_answer_still_gives_a_sentence():
    assert render_refusal({}, {}) == "no reason given"
    assert render_refusal({"error": "busy"}, {}) == "busy"


def test_files_are_found_in_every_kind_of_output():
    first = {"filename": "a.mp4", "subfolder": "video", "type": "output"}
    second = {"filename": "b.png", "subfolder": "", "type": "temp"}
    entry = {
        "outputs": {
            "1": {"images": [first], "animated": [True]},
            "2": {"text": ["c.mp4"], "images": [second], "width": 3},
        }
    }
    assert list(files_of(entry)) == [first, second]

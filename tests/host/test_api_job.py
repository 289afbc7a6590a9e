"""Job files and command lines of the reference, converted to prompts."""

from __future__ import annotations

import json

import pytest

from pack.tests.host.jobs import KINDS, write_jobs
from pack.tools.host.environment import ROOT
from pack.workflows.api.check import faults, read_schema
from pack.workflows.api.command import parse
from pack.workflows.api.edit import find_node
from pack.workflows.api.failures import EXIT_CODES, UsageError
from pack.workflows.api.jobs.flags import FLAGS

SCHEMA = read_schema()
# sampling.md, sections 9 and 11; infinitetalk_dir is how InfiniteTalk names its one file.
OPTIONS = {
    "task", "size", "frame_num", "ckpt_dir", "quant_dir", "wav2vec_dir", "lora_dir", "lora_scale",
    "offload_model", "ulysses_size", "ring_size", "t5_fsdp", "t5_cpu", "dit_fsdp", "save_file",
    "audio_save_dir", "base_seed", "input_json", "motion_frame", "mode", "sample_steps",
    "sample_shift", "sample_text_guide_scale", "sample_audio_guide_scale",
    "num_persistent_param_in_dit", "audio_mode", "use_teacache", "teacache_thresh", "use_apg",
    "apg_momentum", "apg_norm_threshold", "color_correction_strength", "quant",
    "max_frame_num", "infinitetalk_dir",
}  # fmt: skip
QUANT = ["--quant", "int8", "--quant_dir", "weights/Multi"]
# Options, node, and what its inputs are then.
HONOURED = [
    (["--task", "infinitetalk-14B"], "sampler", {"rule": "infinitetalk", "overlap": 9}),
    (["--size", "multitalk-720"], "sampler", {"size": "720", "preset.shift": 11.0}),
    (["--size", "infinitetalk-480"], "load model", {"family": "infinitetalk"}),
    (["--frame_num", "49"], "sampler", {"window": 49, "overlap": 25}),
    (["--frame_num", "49"], "cut", {"start_index": 0, "duration": 49 / 25}),
    (["--ckpt_dir", "w/Wan-480P"], "load model",
     {"base": "Wan-480P/diffusion_pytorch_model-00001-of-00007.safetensors"}),
    (["--ckpt_dir", "w/a.gguf"], "load model", {"base": "a.gguf"}),
    (QUANT, "load model", {"base": "dit_model_int8.safetensors", "audio_part": "(in base)"}),
    ([*QUANT, "--lora_dir", "q/int8_FusionX.safetensors"], "load model",
     {"base": "int8_FusionX.safetensors", "audio_part": "(in base)", "loras": "0"}),
    (["--quant", "fp8", "--quant_dir", "q/single_fp8.safetensors", "--task", "infinitetalk-14B"],
     "load model", {"base": "single_fp8.safetensors", "audio_part": "(in base)"}),
    (["--infinitetalk_dir", "w/single/infinitetalk.safetensors"], "load model",
     {"audio_part": "infinitetalk.safetensors", "family": "infinitetalk"}),
    (["--wav2vec_dir", "w/chinese-wav2vec2-base"], "load speech encoder",
     {"encoder": "chinese-wav2vec2-base/model.safetensors"}),
    (["--lora_dir", "w/FusionX.safetensors"], "load model",
     {"loras": "1", "loras.lora_1": "FusionX.safetensors", "loras.strength_1": 1.2}),
    (["--lora_dir", "a.safetensors", "b.safetensors", "--lora_scale", "1.0", "0.5"], "load model",
     {"loras": "2", "loras.strength_1": 1.0, "loras.lora_2": "b.safetensors",
      "loras.strength_2": 0.5}),
    (["--offload_model", "True"], "sampler", {}),
    (["--ulysses_size", "1", "--ring_size", "1"], "sampler", {}),
    (["--t5_cpu"], "load clip", {"device": "cpu"}),
    (["--save_file", "out/res"], "video combine", {"filename_prefix": "video/res"}),
    (["--base_seed", "7"], "sampler", {"seed": 7}),
    (["--motion_frame", "9"], "sampler", {"overlap": 9}),
    (["--mode", "clip"], "cut", {"duration": 81 / 25}),
    (["--mode", "streaming", "--max_frame_num", "200"], "cut", {"duration": 8.0}),
    (["--sample_steps", "8"], "sampler", {"preset": "custom", "preset.steps": 8}),
    (["--sample_shift", "2"], "sampler", {"preset.shift": 2.0}),
    (["--sample_text_guide_scale", "1.0"], "sampler", {"preset.text_guidance": 1.0}),
    (["--sample_audio_guide_scale", "2.0"], "sampler", {"preset.audio_guidance": 2.0}),
    (["--audio_mode", "localfile"], "load audio", {}),
    (["--use_teacache"], "sampler", {"step_cache": 0.2}),
    (["--use_teacache", "--teacache_thresh", "0.3"], "sampler", {"step_cache": 0.3}),
    (["--teacache_thresh", "0.3"], "sampler", {"step_cache": 0.0}),
    (["--use_apg", "--apg_momentum", "-0.75", "--apg_norm_threshold", "55"], "sampler",
     {"apg": True}),
    (["--color_correction_strength", "0.5"], "sampler", {"colour_match": 0.5}),
]  # fmt: skip
REFUSED = [
    (["--task", "t2v-14B"], "--task is t2v-14B: it takes multitalk-14B, infinitetalk-14B"),
    (["--size", "multitalk-1080"], "--size is multitalk-1080: it takes multitalk-480"),
    (["--task", "multitalk-14B", "--size", "infinitetalk-480"], "Two families are asked for"),
    (["--frame_num", "80"], "--frame_num is 80: it must be a multiple of 4, plus 1"),
    (["--motion_frame", "8"], "--motion_frame is 8: it must be a multiple of 4, plus 1"),
    (["--frame_num", "25"], "--motion_frame is 25: it must be below frame_num, 25"),
    (["--quant", "int4"], "--quant is int4: it takes int8 or fp8"),
    (["--quant", "int8"], "--quant is int8: it needs --quant_dir"),
    (["--quant_dir", "w"], "--quant_dir is w: it needs --quant"),
    ([*QUANT, "--task", "infinitetalk-14B"], "--quant_dir is weights/Multi: InfiniteTalk needs"),
    ([*QUANT, "--task", "infinitetalk-14B", "--lora_dir", "a"], "--lora_dir is a: a quantised"),
    ([*QUANT, "--lora_dir", "a", "--lora_scale", "1"], "--lora_dir is a: with quant it is one"),
    (["--lora_dir", "a", "b", "--lora_scale", "1"], "--lora_scale is 1.0: one value for each of"),
    (["--lora_dir", *"abcdef"], "--lora_dir is a b c d e f: up to 5"),
    (["--ulysses_size", "2"], "--ulysses_size is 2: only 1 is possible"),
    (["--ring_size", "4"], "--ring_size is 4: only 1 is possible"),
    (["--t5_fsdp"], "--t5_fsdp: one process cannot share out"),
    (["--dit_fsdp"], "--dit_fsdp: one process cannot share out"),
    (["--audio_save_dir", "a"], "--audio_save_dir is a: speech features are not written"),
    (["--mode", "long"], "--mode is long: it takes clip or streaming"),
    (["--mode", "streaming", "--max_frame_num", "0"], "--max_frame_num is 0: it takes a number"),
    (["--audio_mode", "both"], "--audio_mode is both: it takes localfile or tts"),
    (["--audio_mode", "tts"], "tts_audio needs a text"),
    (["--apg_momentum", "0.5"], "--apg_momentum is 0.5: the sampler's APG has -0.75"),
    (["--apg_norm_threshold", "5"], "--apg_norm_threshold is 5.0: the sampler's APG has 55"),
    (["--num_persistent_param_in_dit", "9"], "--num_persistent_param_in_dit is 9: ComfyUI counts"),
    (["--num_persistent_param_in_dit", "0", "--offload_model", "no"], "--offload_model is False"),
    (["--input_json", "other.json"], "--input_json is other.json: the job file is"),
    (["--sample_steps", "ten"], "--sample_steps is ten; it takes a whole number"),
    (["--offload_model", "perhaps"], "--offload_model is perhaps; it takes true or false"),
    (["--sample_step", "10"], "--sample_step 10 is not known"),
]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return write_jobs(tmp_path_factory.mktemp("jobs"))


def convert(path, *options):
    parsed = parse(["job", str(path), *map(str, options)])
    return parsed.make(parsed)


def inputs(task, name):
    return task.prompt[find_node(task.prompt, name)]["inputs"]


def classes(task):
    return [node["class_type"] for node in task.prompt.values()]


@pytest.mark.parametrize("toy", [[], ["--toy"]], ids=["real", "toy"])
@pytest.mark.parametrize("mode", ["clip", "streaming"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_a_valid_prompt(jobs, kind, mode, toy):
    task = convert(jobs[kind], "--mode", mode, *toy)
    assert faults(SCHEMA, task.prompt, SCHEMA) == []
    used = {v[0] for n in task.prompt.values() for v in n["inputs"].values() if type(v) is list}
    ends = {"MultiTalkVideoCombine"}
    assert ends == {n["class_type"] for key, n in task.prompt.items() if key not in used}
    named = {v for n in task.prompt.values() for v in n["inputs"].values() if type(v) is str}
    assert set(task.uploads) <= named
    assert ("CLIPTextEncode" in classes(task)) == (not toy)


def test_tables_have_every_option_of_the_reference():
    assert {flag.name for flag in FLAGS} == OPTIONS
    tested = {a.removeprefix("--") for row in [*HONOURED, *REFUSED] for a in row[0]}
    assert OPTIONS - tested == set()


def test_numbers_that_no_graph_shows_are_the_engines():
    from pack.multitalk.config import WINDOW_SIZES, ApgConfig, default_shift

    flags = {flag.name: flag for flag in FLAGS}
    # Job files are those of the first two families; FlashTalk's program has none.
    sizes = {family: WINDOW_SIZES[family] for family in ("multitalk", "infinitetalk")}
    assert flags["motion_frame"].default == {name: size.overlap for name, size in sizes.items()}
    assert {size.window for size in sizes.values()} == {flags["frame_num"].default}
    assert flags["sample_shift"].default == {"720": default_shift(720, 1280)}
    assert flags["apg_momentum"].only == (ApgConfig().momentum,)
    assert flags["apg_norm_threshold"].only == (ApgConfig().norm_threshold,)


def test_page_names_every_option_and_exit_code():
    page = (ROOT / "workflows" / "api" / "README.md").read_text(encoding="ascii")
    assert [name for name in OPTIONS if f"`--{name}`" not in page] == []
    assert [code for code in EXIT_CODES if f"\n| {code} |" not in page] == []


def test_help_names_every_option_and_exit_code(capsys):
    with pytest.raises(SystemExit):
        parse(["job", "--help"])
    words = capsys.readouterr().out.split()
    assert {f"--{name}" for name in OPTIONS} <= set(words)
    assert all(str(code) in words for code in EXIT_CODES)


@pytest.mark.parametrize(("options", "node", "expected"), HONOURED)
def test_option_is_honoured(jobs, options, node, expected):
    task = convert(jobs["one"], *options)
    assert inputs(task, node).items() >= expected.items()
    assert faults(SCHEMA, task.prompt, SCHEMA) == []


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
def test_option_is_refused_by_name(jobs, options, sentence):
    with pytest.raises(UsageError) as caught:
        convert(jobs["one"], *options)
    assert sentence in str(caught.value)
    assert caught.value.code == 2


def test_defaults_are_the_references(jobs):
    sampler = inputs(convert(jobs["one"]), "sampler")
    expected = {
        "preset.steps": 40,
        "preset.shift": 7.0,
        "preset.text_guidance": 5.0,
        "preset.audio_guidance": 4.0,
        "seed": 42,
        "size": "480",
        "window": 81,
        "overlap": 25,
        "rule": "multitalk",
        "colour_match": 1.0,
        "step_cache": 0.0,
        "apg": False,
    }
    assert sampler.items() >= expected.items()


def test_memory_options_ask_for_a_host_started_that_way(jobs):
    kept = convert(jobs["one"], "--num_persistent_param_in_dit", 0)
    assert kept.host_arguments == ("--novram",)
    assert convert(jobs["one"], "--offload_model", "False").host_arguments == ("--highvram",)
    assert convert(jobs["one"], "--offload_model", "True").host_arguments == ()


def test_negative_seed_is_random_and_the_same_in_all_nodes(jobs):
    tasks = [convert(jobs["one_spoken"], "--base_seed", -1) for _ in range(3)]
    seeds = {inputs(task, "sampler")["seed"] for task in tasks}
    assert len(seeds) > 1
    assert all(0 <= seed <= 99_999_999 for seed in seeds)
    assert inputs(tasks[0], "speak")["seed"] == inputs(tasks[0], "sampler")["seed"]


def test_options_go_before_the_toys_numbers(jobs):
    task = convert(jobs["one"], "--toy", "--lora_dir", "a", "--sample_steps", 3)
    sampler = inputs(task, "sampler")
    assert (sampler["preset.steps"], sampler["window"], sampler["size.width"]) == (3, 33, 144)
    assert inputs(task, "load model")["loras"] == "0"
    assert task.notes == ("--toy: the toy's own models and size, so not lora_dir.",)


def test_boxes_are_turned_from_rows_first_to_x_y_width_height(jobs):
    boxes = inputs(convert(jobs["two_in_turn"]), "speakers")["boxes"]
    assert boxes == "40, 100, 420, 500\n500, 100, 420, 500"
    assert inputs(convert(jobs["two_together"]), "speakers")["boxes"] == ""


def test_boxes_belong_to_persons_in_any_order(jobs, tmp_path):
    job = KINDS["two_in_turn"]
    turned = dict(reversed(job["bbox"].items()))
    assert (
        inputs(convert(rewrite(jobs, "two_in_turn", bbox=turned)), "speakers")["boxes"]
        == inputs(convert(jobs["two_in_turn"]), "speakers")["boxes"]
    )


def test_voices_belong_to_persons_in_any_order(jobs):
    turned = dict(reversed(KINDS["two_in_turn"]["cond_audio"].items()))
    task = convert(rewrite(jobs, "two_in_turn", cond_audio=turned))
    assert task.prompt == convert(jobs["two_in_turn"]).prompt


def rewrite(jobs, kind, **changes):
    """A job file with other fields, beside the others; None takes a field out."""
    job = {k: v for k, v in (KINDS[kind] | changes).items() if v is not None}
    path = jobs[kind].with_name("changed.json")
    path.write_text(json.dumps(job))
    return path


def test_speakers_in_turn_without_a_limit_need_no_more_nodes(jobs):
    task = convert(jobs["two_in_turn"], "--mode", "streaming")
    tracks = inputs(task, "tracks")
    assert (tracks["placement"], tracks["placement.gap"]) == ("in turn", 0)
    assert "TrimAudioDuration" not in classes(task)
    assert inputs(convert(jobs["two_together"]), "tracks")["placement"] == "together"


def test_text_keeps_its_marks_and_voices_their_order(jobs):
    spoken = inputs(convert(jobs["two_spoken"]), "dialogue")
    assert spoken["script"] == "(s1) Hello! (s2) Yes?"
    assert spoken["voices"] == "s1 = af_heart\ns2 = am_adam"
    assert inputs(convert(jobs["two_spoken"], "--toy"), "dialogue")["voices"] == "s1 = f1\ns2 = m1"
    one = inputs(convert(jobs["one_spoken"]), "speak")
    assert (one["text"], one["voice"]) == ("Welcome to this test.", "af_heart")


def test_two_voices_of_a_kind_are_two_machine_voices(jobs):
    spoken = {**KINDS["two_spoken"]["tts_audio"], "human2_voice": "af_bella"}
    task = convert(rewrite(jobs, "two_spoken", tts_audio=spoken), "--toy")
    assert inputs(task, "dialogue")["voices"] == "s1 = f1\ns2 = f2"


def test_video_source_is_infinitetalks(jobs):
    (jobs["one"].parent / "clip.mp4").write_bytes(b"a video")
    path = rewrite(jobs, "one", cond_image=None, cond_video="examples/clip.mp4")
    task = convert(path)
    assert inputs(task, "sampler")["rule"] == "infinitetalk"
    assert inputs(task, "sampler")["image"] == [find_node(task.prompt, "source frames"), 0]
    assert inputs(task, "load video")["file"].endswith("/clip.mp4")
    assert "LoadImage" not in classes(task)
    with pytest.raises(UsageError, match="cond_video means infinitetalk, size means multitalk"):
        convert(path, "--size", "multitalk-480")


def test_infinitetalk_has_another_file_for_two_speakers(jobs):
    files = [
        inputs(convert(jobs[kind], "--task", "infinitetalk-14B"), "load model")["audio_part"]
        for kind in ("one", "two_together")
    ]
    assert "Single" in files[0]
    assert "Multi" in files[1]


def test_paths_are_mapped_by_hand(jobs, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "1.flac").write_bytes(b"a sound")
    path = rewrite(jobs, "one", cond_audio={"person1": "data/x/1.flac"})
    task = convert(path, "--map", f"data/x={moved}")
    assert moved / "1.flac" in task.uploads.values()
    with pytest.raises(UsageError, match=r"cond_audio.person1: data/x/1.flac is neither there"):
        convert(path)


def test_name_of_the_video_is_used_for_the_download(jobs):
    assert convert(jobs["one"], "--save_file", "out/res.mp4").save_as == "out/res"
    assert convert(jobs["one"]).save_as == ""


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        ("one", {"hd": 1}, "hd is not known"),
        ("one", {"prompt": None}, "prompt is missing"),
        ("one", {"cond_image": None}, "either cond_image or cond_video"),
        ("one", {"cond_image": 3}, "cond_image is 3; it takes a path"),
        ("one", {"cond_audio": {"person2": "a"}}, "cond_audio needs person1"),
        ("one", {"cond_audio": None}, "cond_audio needs person1"),
        ("two_together", {"audio_type": None}, "audio_type is null; it takes para"),
        ("two_together", {"audio_type": "both"}, 'audio_type is "both"; it takes para'),
        ("two_in_turn", {"bbox": {"person1": [0, 0, 1, 1]}}, "bbox needs one box for each"),
        ("two_spoken", {"tts_audio": {"text": "a"}}, "tts_audio needs human1_voice"),
        (
            "two_in_turn",
            {"bbox": {"person1": [0, 0, 1], "person2": [0, 0, 1, 1]}},
            r"bbox.person1 is \[0, 0, 1\]; it takes 4 numbers",
        ),
        (
            "two_in_turn",
            {"bbox": {"person1": [-5, 0, 1, 1], "person2": [0, 0, 1, 1]}},
            "it takes top, left, bottom, right in pixels: rows first",
        ),
    ],
)
def test_wrong_job_is_refused_by_field(jobs, kind, changes, sentence):
    with pytest.raises(UsageError, match=sentence):
        convert(rewrite(jobs, kind, **changes))


@pytest.mark.parametrize(("text", "sentence"), [("{", "is no JSON"), ("[]", "is no job")])
def test_file_that_is_no_job_is_refused(tmp_path, text, sentence):
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        convert(path)
    with pytest.raises(UsageError, match="cannot be read"):
        convert(tmp_path / "none.json")


def test_job_file_may_be_named_as_the_reference_does(jobs):
    options = parse(["job", "--input_json", str(jobs["one"])])
    assert options.make(options).prompt == convert(jobs["one"]).prompt

"""The shipped graphs, blueprints and help pages against a running host."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from pack.tests.host.jobs import write_sound
from pack.tools.host.client import HostClient, HostError, files_of
from pack.tools.host.process import PACK_NAME
from pack.tools.make.clip import write_clip
from pack.tools.make.graph_forms import Use
from pack.tools.make.graph_index import FILES, graph_picture
from pack.tools.make.graph_list import GRAPHS
from pack.tools.make.graphs import stale
from pack.weights.parts import is_later_part

from .editor_graphs import (
    INPUT_NODE,
    OUTPUT_NODE,
    all_nodes,
    editor,
    executable,
    flatten,
    get,
    plain_links,
    subgraphs,
    widget_values,
)

pytestmark = pytest.mark.host
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "assets" / "examples"
NAMES = sorted(FILES)
TOYS = [name for name in NAMES if name.startswith("toy_")]
SCENES = {
    "toy_one_speaker": "one_speaker",
    "toy_two_speakers": "two_speakers",
    "toy_two_speakers_boxes": "two_speakers",
    "toy_recording": "two_speakers",
    "toy_long_video": "one_speaker",
    "toy_end_image": "one_speaker",
}
WHOLE = ("toy_long_video",)
REAL = [name for name in NAMES if name not in TOYS]
# architecture.md section 3: with the loaders in one node, and without.
MAX_NODES, MAX_FLAT_NODES, MORE_FOR_TWO = 10, 13, 3
# Of MultiTalk Load Model, VAE, text encoder, CLIP vision, speech encoder.
NUM_FILES = 6
MORE_FILES = {
    "multitalk_recording": 1,
    "multitalk_scene": 1,
    "multitalk_smooth": 3,
    "multitalk_parallel": 2,  # as flashtalk_one_speaker
    "multitalk_dialogue": 1,  # Kokoro
    "multitalk_fast": 1,  # LoRA
    "infinitetalk_wan22": 2,  # another base and two LoRAs, no CLIP vision
    "multitalk_prompt_helper": 2,  # LoRA and text model
    "flashtalk_one_speaker": 2,  # four parts instead of base and audio part
    "infinitetalk_low_memory": 1,
    "wan_text_to_talking": 1,  # the model of the first picture
    "multitalk_two_speakers_detector": 2,  # LoRA and detector
}
MODEL_ENDINGS = (".safetensors", ".pth", ".gguf")
SAMPLERS = ("MultiTalkSampler", "MultiTalkSampleToVideo")
SEEDED = (*SAMPLERS, "KSampler")
MORE_NODES = {
    "multitalk_prompt_helper": 1,  # a text model and what it wrote, no negative prompt
    "wan_first_last_frame": 2,  # the host's nodes, which make a window by hand
    "wan_text_to_talking": 2,  # a first picture, and what others do too
    "infinitetalk_continue": 1,  # another video
    "infinitetalk_dub_mouth": 1,  # the mouth alone goes into the source
    "multitalk_recording": 1,  # one recording, taken apart
    "multitalk_two_gpus": 1,  # the host's node for the cards
    "multitalk_parallel": 1,
    "multitalk_shots": 1,
    "multitalk_smooth": 3,  # five of the host's in one node
    "multitalk_still": 1,  # those who are still
    "toy_dub": 1,
    "toy_continue": 3,  # two videos, joined
}
THUMBNAIL_BYTES = 40_000
FRAME_RATE = 25
SMALL = {"size.width": 48, "size.height": 32}  # the toy's VAE is what a run waits for
AAC_SAMPLES = 1024


@pytest.fixture(scope="module")
def client(server):
    with HostClient(server.address) as connected:
        yield connected


@pytest.fixture(scope="module")
def schemas(client):
    return client.object_info()


@pytest.fixture(scope="module")
def own_nodes(schemas):
    module = f"custom_nodes.{PACK_NAME}"
    return {name: node for name, node in schemas.items() if node["python_module"] == module}


@pytest.fixture
def empty_models(server):
    """Files with the right names and nothing inside, and the inputs that the graphs name."""
    outer = [node for graph in GRAPHS for node in graph.nodes]
    inner = [n for node in outer if isinstance(node, Use) for n in node.subgraph.nodes]
    nodes = [node for node in [*outer, *inner] if not isinstance(node, Use)]
    models = {model for node in nodes for model in node.models}
    paths = [server.base / "models" / model.directory / model.name for model in models]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    inputs = server.base / "input"
    shutil.copy(EXAMPLES / "one_speaker.png", inputs / "example.png")
    for number in (1, 2):
        write_sound(inputs / f"voice_{number}.wav", f"voice_{number}.flac", 0.5)
    write_clip(EXAMPLES / "one_speaker.png", inputs / "example.mp4")
    yield
    for path in paths:
        path.unlink()


def api(name):
    return json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="ascii"))


def sampler_of(prompt):
    (sampler,) = [node for node in prompt.values() if node["class_type"] in SAMPLERS]
    return sampler


def bare(prompt):
    """A prompt without titles, and without what the host adds when it runs."""
    return {
        key: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for key, node in prompt.items()
    }


def test_generator_makes_the_files_that_are_here(schemas):
    assert stale(schemas) == []


def test_all_graphs_are_offered_as_templates(server):
    offered = json.loads(get(server, "/workflow_templates"))[PACK_NAME]
    assert sorted(offered) == sorted(FILES.values())
    assert len(NAMES) == 42


@pytest.mark.parametrize("name", NAMES)
def test_editor_graph_has_known_nodes_and_sound_links(name, schemas):
    workflow = editor(name)
    for part in [workflow, *subgraphs(workflow).values()]:
        places = {node["id"]: node for node in part["nodes"]}
        assert len(places) == len(part["nodes"])
        links = plain_links(part["links"])
        for number, (origin, slot, target, target_slot) in links.items():
            if origin != INPUT_NODE:
                assert number in places[origin]["outputs"][slot]["links"]
            if target != OUTPUT_NODE:
                assert places[target]["inputs"][target_slot]["link"] == number
        used = [s["link"] for n in part["nodes"] for s in n["inputs"] if s["link"]]
        assert set(used) <= set(links)
    for node in all_nodes(workflow):
        assert node["type"] in schemas
        outputs = list(schemas[node["type"]]["output_name"])
        saved = [slot["name"] for slot in node["outputs"]]
        assert saved == outputs[: len(saved)]  # newer hosts may have more


@pytest.mark.parametrize("name", NAMES)
def test_editor_and_api_form_are_the_same_graph(name, schemas):
    assert flatten(editor(name), schemas) == bare(api(name))


@pytest.mark.parametrize("name", NAMES)
def test_official_client_makes_the_same_prompt_of_the_editors_graph(name, schemas):
    # It fills in every default of /object_info, also where the editor has a socket.
    official = pytest.importorskip("comfy_cli.workflow_to_api", reason="comfy-cli is not installed")
    assert bare(official.convert_ui_to_api(editor(name), schemas)) == bare(api(name))


@pytest.mark.parametrize("name", NAMES)
def test_graph_stays_small(name):
    more = MORE_FOR_TWO if "two_speakers" in name or "dialogue" in name else 0
    more += MORE_NODES.get(name, 0)
    assert len(executable(editor(name)["nodes"])) <= MAX_NODES + more
    assert len(api(name)) <= MAX_FLAT_NODES + more


@pytest.mark.parametrize("name", NAMES)
def test_nodes_and_notes_do_not_overlap(name):
    boxes = [(*node["pos"], *node["size"]) for node in editor(name)["nodes"]]
    for index, (x, y, width, height) in enumerate(boxes):
        for left, top, other_width, other_height in boxes[index + 1 :]:
            apart = x + width <= left or left + other_width <= x
            assert apart or y + height <= top - 30 or top + other_height <= y - 30


@pytest.mark.parametrize("name", NAMES)
def test_seed_stays_fixed(name, schemas):
    samplers = [n for n in all_nodes(editor(name)) if n["type"] in SEEDED]
    assert samplers
    for sampler in samplers:
        values = widget_values(sampler, schemas)
        assert (values["seed"], values["control_after_generate"]) == (42, "fixed")


@pytest.mark.parametrize("name", REAL)
def test_every_model_file_can_be_downloaded_by_the_editor(name):
    found = 0
    for node in all_nodes(editor(name)):
        models = {model["name"]: model for model in node["properties"].get("models", [])}
        files = [v for v in node["widgets_values"] if str(v).endswith(MODEL_ENDINGS)]
        chosen = [name for name in models if not is_later_part(name)]
        assert sorted(chosen) == sorted(files)
        for model in models.values():
            assert model["url"].startswith("https://huggingface.co/")
            assert model["url"].endswith(f"/{model['name']}")
            found += 1
    assert found == NUM_FILES + MORE_FILES.get(name, 0)


@pytest.mark.parametrize("name", NAMES)
def test_graph_has_a_picture(name):
    path = graph_picture(name)
    assert path.stat().st_size < THUMBNAIL_BYTES
    with Image.open(path) as picture:
        assert picture.format == "WEBP"
        assert picture.width * 9 == picture.height * 16


def test_every_node_has_a_help_page_that_names_all_inputs_and_outputs(server, own_nodes):
    assert len(own_nodes) == 24
    for name, node in own_nodes.items():
        page = get(server, f"/extensions/{PACK_NAME}/docs/{urllib.parse.quote(name)}.md").decode()
        named = [n for part in ("required", "optional") for n in node["input_order"].get(part, [])]
        for word in (*named, *node["output_name"]):
            assert f"`{word}`" in page, f"{name}: {word}"
        assert 20 <= len(page.splitlines()) <= 90, name  # the samplers take 36 inputs
        assert page.isascii(), name


# A fresh host has no sound and no video, so these graphs name none.
CHOSEN = {
    "LoadAudio": {"audio": "voice_1.wav"},
    "LoadVideo": {"file": "example.mp4"},
    "MultiTalkSplitRecording": {"split.times": "Anna 0-0.2, Ben 0.2-"},  # of a short recording
}
# The last is the host's own, about the detector.
EMPTY_FILE = r"is no (safetensors|PyTorch|GGUF) file, or |header too small"


@pytest.mark.parametrize("name", REAL)
def test_real_graph_is_valid_and_stops_at_the_empty_files(name, client, empty_models):
    prompt = api(name)
    for node in prompt.values():
        node["inputs"] |= CHOSEN.get(node["class_type"], {})
    with pytest.raises(HostError, match=EMPTY_FILE):
        client.run(prompt)


def test_toy_dialogue_makes_a_video_whose_tracks_follow_the_script(client, tmp_path):
    import av

    prompt = api("toy_dialogue")
    (key,) = [key for key, n in prompt.items() if n["class_type"] == "MultiTalkDialogue"]
    prompt[key]["inputs"]["script"] = "Anna: Hello!\nBen: Yes?"  # short, for a quick test
    sampler_of(prompt)["inputs"] |= SMALL
    entry = client.run(prompt)
    (file,) = [f for f in files_of(entry) if f["filename"].endswith(".mp4")]
    assert entry["outputs"][key]["images"]  # the time line
    with av.open(str(client.download(file, tmp_path))) as video:
        (picture,), (sound,) = video.streams.video, video.streams.audio
        assert picture.frames == -(-sound.duration * sound.time_base * FRAME_RATE // 1)
        assert sound.sample_rate == 22_050
        assert 0.8 < picture.frames / FRAME_RATE < 2.5
        assert bare(json.loads(video.metadata["prompt"])) == bare(prompt)


@pytest.mark.parametrize("name", SCENES)
def test_toy_graph_makes_a_video_as_long_as_its_sound(name, client, tmp_path):
    """One with all of its sound, the others with the beginnings of the voices."""
    import soundfile

    prompt = api(name)
    scene = json.loads((EXAMPLES / "scenes.json").read_text())[SCENES[name]]
    sounds = [soundfile.info(EXAMPLES / voice) for voice in scene["voices"]]
    spoken = [Fraction(sound.frames, sound.samplerate) for sound in sounds]
    if name in WHOLE:
        sampler_of(prompt)["inputs"] |= SMALL | {"preset.steps": 1}
    else:
        prompt = shortened(prompt, 0.8)
        spoken = [Fraction(4, 5)] * len(sounds)
    for node in prompt.values():
        if node["class_type"] == "MultiTalkSplitRecording":
            node["inputs"]["split.times"] = "Anna 0-0.8, Ben 0.8-"
    seconds = sum(spoken) + Fraction(1, 5) * (len(sounds) - 1)  # the gap
    size = tuple(SMALL.values())
    check_video(client, prompt, tmp_path, size=size, seconds=seconds, rate=sounds[0].samplerate)


def test_toy_graph_as_shipped_makes_a_video_of_its_size(client, tmp_path):
    """Only the sound is shorter, one window: all windows are made small in the test above."""
    import soundfile

    prompt = api("toy_one_speaker")
    (speech,) = [n for n in prompt.values() if n["class_type"] == "MultiTalkSpeechEmbedding"]
    trim = {"audio": speech["inputs"]["audio"], "start_index": 0.2, "duration": 0.6}
    prompt["trim"] = {"class_type": "TrimAudioDuration", "inputs": trim}
    speech["inputs"]["audio"] = ["trim", 0]
    rate = soundfile.info(EXAMPLES / "voice_1.flac").samplerate
    check_video(client, prompt, tmp_path, size=(144, 96), seconds=Fraction(3, 5), rate=rate)


SHORT = {  # seconds of the voice, frames, frames per second, size
    "toy_scene": (0.6, 15, 25, (48, 32)),
    "toy_shots": (1.2, 30, 25, (48, 32)),
    "toy_continue": (0.8, 20, 25, (48, 32)),
    "toy_still": (0.6, 15, 25, (48, 32)),
    "toy_dub": (0.6, 15, 25, (288, 192)),
    "toy_first_look": (2.0, 25, 25, (48, 32)),
    "toy_smooth": (0.4, 19, 50, (128, 96)),  # fewer pixels are too few for the host
}


@pytest.mark.parametrize("name", SHORT)
def test_toy_graph_of_directing_makes_its_frames_of_a_short_voice(name, client, tmp_path):
    import av

    seconds, frames, fps, size = SHORT[name]
    prompt = shortened(api(name), seconds)
    if fps == 50:
        sampler_of(prompt)["inputs"] |= {"size.width": 64, "size.height": 48}
    entry = client.run(prompt)
    (file,) = [f for f in files_of(entry) if f["filename"].endswith(".mp4")]
    with av.open(str(client.download(file, tmp_path))) as video:
        (picture,), (sound,) = video.streams.video, video.streams.audio
        assert (picture.frames, picture.average_rate) == (frames, fps)
        assert (picture.width, picture.height) == size
        heard = sound.duration * sound.time_base
        assert abs(heard - Fraction(frames, fps)) <= Fraction(AAC_SAMPLES, sound.sample_rate)


def shortened(prompt, seconds):
    """A prompt whose voices end soon, with one step and few pixels; a cut comes in its middle."""
    (example,) = [key for key, n in prompt.items() if n["class_type"] == "MultiTalkExample"]
    short = {}
    for node in prompt.values():
        for name, link in node["inputs"].items():
            if link in ([example, 1], [example, 2]):
                trim = {"audio": link, "start_index": 0.2, "duration": seconds}
                short[f"short_{link[1]}"] = {"class_type": "TrimAudioDuration", "inputs": trim}
                node["inputs"][name] = [f"short_{link[1]}", 0]
        if node["class_type"] in SAMPLERS:
            node["inputs"] |= SMALL | {"preset.steps": 1}
        if node["class_type"] == "MultiTalkShots":
            node["inputs"]["seconds"] = str(seconds / 2)
        if node["class_type"] == "TrimAudioDuration":  # of two parts
            later = node["inputs"]["start_index"] > 0
            node["inputs"] |= {
                "start_index": seconds / 2 if later else 0.0,
                "duration": seconds / 2,
            }
    return prompt | short


def check_video(client, prompt, folder, *, size, seconds, rate):
    """Run a prompt and look at its mp4."""
    import av

    entry = client.run(prompt)
    (file,) = [f for f in files_of(entry) if f["filename"].endswith(".mp4")]
    assert (file["subfolder"], file["type"]) == ("video", "output")
    frames = -(-seconds * FRAME_RATE // 1)
    with av.open(str(client.download(file, folder))) as video:
        (picture,), (sound,) = video.streams.video, video.streams.audio
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (picture.width, picture.height) == size
        assert picture.average_rate == FRAME_RATE
        assert picture.frames == frames
        assert sound.sample_rate == rate
        length = sound.duration * sound.time_base
        assert abs(length - Fraction(frames, FRAME_RATE)) <= Fraction(AAC_SAMPLES, rate)
        assert bare(json.loads(video.metadata["prompt"])) == bare(prompt)

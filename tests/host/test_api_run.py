"""`dev.py run` and `dev.py job` against a running host: results, failures, interruption."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pack.tests.host.jobs import EXAMPLES, KINDS, SECONDS, write_jobs, write_sound
from pack.tools.host.client import HostClient, HostProcess, HostSettings
from pack.tools.host.environment import ROOT
from pack.workflows.api.command import main
from pack.workflows.api.edit import read_prompt, upload_name
from pack.workflows.api.failures import EXIT_CODES

pytestmark = pytest.mark.host
PICTURE, VOICE = EXAMPLES / "two_speakers.png", EXAMPLES / "voice_1.flac"
SMALL = [
    *("--set", "sampler.size.width=48", "--set", "sampler.size.height=32"),
    *("--set", "sampler.window=17", "--set", "sampler.overlap=5"),
    *("--set", "sampler.preset.steps=1"),
]
SMALL_JOB = ["--toy", "--frame_num", 17, "--motion_frame", 5, "--sample_steps", 1, *SMALL[:4]]
# Test_graphs runs these graphs as they are; here they say less.
TOYS = {
    "toy_two_speakers": ["--sound", "{0}", "--sound", "{1}"],
    "toy_dialogue": ["--set", "dialogue.script=Anna: Hello!\nBen: Yes?"],
}


@pytest.fixture
def command(server, tmp_path, capsys):
    """Runs the command in this process; gives the exit code, the JSON lines and the errors."""

    def run(*arguments, address=None):
        place = ["--address", address or server.address, "--output", str(tmp_path / "results")]
        code = main([*map(str, arguments), *place])
        text = capsys.readouterr()
        is_json = "--json" in arguments
        lines = text.out.splitlines()
        return code, [json.loads(line) for line in lines] if is_json else lines, text.err

    return run


def frames_and_seconds(path):
    import av

    with av.open(str(path)) as video:
        (picture,), (sound,) = video.streams.video, video.streams.audio
        return picture.frames, float(sound.duration * sound.time_base)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Two short voices."""
    folder = tmp_path_factory.mktemp("sounds")
    return [write_sound(folder / name, name, seconds) for name, seconds in SECONDS.items()]


@pytest.mark.parametrize("graph", TOYS)
def test_toy_graph_runs_and_prints_the_path_of_its_video(command, graph, tmp_path, sounds):
    own = [word.format(*sounds) for word in TOYS[graph]]
    code, lines, errors = command("run", graph, *own, *SMALL)
    assert (code, errors) == (0, "")
    (path,) = map(Path, lines)  # where nobody looks, nothing else is printed
    assert path.parent == tmp_path / "results"
    frames, seconds = frames_and_seconds(path)
    assert frames / 25 == pytest.approx(seconds, abs=0.1)


def test_own_picture_and_sound_are_uploaded_and_used(command, server, sounds):
    code, lines, _ = command(
        "run",
        "toy_one_speaker",
        "--image",
        PICTURE,
        "--sound",
        sounds[0],
        "--json",
        "--seed",
        3,
        *SMALL,
    )
    assert code == 0
    kinds = Counter(line["event"] for line in lines)
    assert (kinds["uploaded"], kinds["queued"], kinds["result"]) == (2, 1, 1)
    assert {"LoadImage", "LoadAudio", "MultiTalkSampler"} <= {line.get("class") for line in lines}
    steps = [line for line in lines if line["event"] == "progress"]
    assert steps[-1]["value"] == steps[-1]["max"] > 1
    result = lines[-1]
    assert (result["ok"], result["code"], Path(result["files"][0]).is_file()) == (True, 0, True)
    for path in (PICTURE, sounds[0]):
        assert (server.base / "input" / upload_name(path, "")).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_job_makes_a_clip_of_one_window(command, kind, tmp_path):
    path = write_jobs(tmp_path)[kind]
    code, lines, errors = command("job", path, *SMALL_JOB, "--save_file", "sub/talk")
    assert (code, errors) == (0, "")
    assert lines == [str(tmp_path / "results" / "sub" / "talk.mp4")]
    assert frames_and_seconds(lines[0]) == (17, pytest.approx(17 / 25, abs=0.1))


def test_second_speaker_begins_after_the_first_whether_cut_or_not(command, tmp_path):
    import numpy as np

    path = write_jobs(tmp_path)["two_in_turn"]
    options = [*SMALL_JOB, "--mode", "streaming", "--frame_num", 49]
    code, (whole,), _ = command("job", path, *options)
    assert (code, frames_and_seconds(whole)[0]) == (0, 45)  # 0.8 s and 1 s
    code, (cut,), _ = command("job", path, *options, "--max_frame_num", 35)
    assert (code, frames_and_seconds(cut)[0]) == (0, 35)
    (long, rate), (short, same) = decode(whole), decode(cut)
    assert rate == same
    end = int(1.3 * rate)
    assert np.corrcoef(long[:end], short[:end])[0, 1] > 0.9  # AAC: alike, not the same
    assert abs(short[int(0.9 * rate) : end]).max() > 0.1  # the second one speaks


def decode(path):
    """First channel of a video's sound, and its rate. Mixing channels would change the level."""
    import av
    import numpy as np

    with av.open(str(path)) as video:
        pieces = [frame.to_ndarray()[0] for frame in video.decode(audio=0)]
        return np.concatenate(pieces), video.streams.audio[0].rate


def test_video_source_is_followed(command, tmp_path):
    import av

    write_jobs(tmp_path)
    with av.open(str(tmp_path / "source.mp4"), "w") as video:
        stream = video.add_stream("h264", rate=25)
        stream.width = stream.height = 64
        for _ in range(20):
            frame = av.VideoFrame(64, 64, "rgb24")
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    job = KINDS["one"] | {"cond_video": "source.mp4"}
    del job["cond_image"]
    path = tmp_path / "follow.json"
    path.write_text(json.dumps(job))
    code, lines, errors = command("job", path, *SMALL_JOB)
    assert (code, errors) == (0, "")
    assert frames_and_seconds(lines[0])[0] == 17


def test_wrong_name_of_a_file_here_is_wrong_usage(command, tmp_path):
    code, _, errors = command("run", "toy_one_speaker", "--sound", tmp_path / "nope.wav")
    assert code == 2
    assert errors.startswith(f"--sound: {tmp_path / 'nope.wav'} cannot be read (No such file")


@pytest.mark.parametrize(
    ("graph", "setting", "node", "name", "folder", "hint"),
    [
        (
            *("toy_one_speaker", "load model.base=nope.safetensors", "2", "base"),
            *("models/diffusion_models", "Put the file there"),
        ),
        ("mine", "1.audio=nope.wav", "1", "audio", "input", "Upload your own with"),
    ],
)
def test_wrong_name_of_a_file_there_is_refused(
    command, tmp_path, graph, setting, node, name, folder, hint
):
    if graph == "mine":
        graph = tmp_path / "mine.json"
        prompt = {
            "1": {"class_type": "LoadAudio", "inputs": {"audio": ""}},
            "2": {"class_type": "PreviewAudio", "inputs": {"audio": ["1", 0]}},
        }
        graph.write_text(json.dumps(prompt))
    code, lines, _ = command("run", graph, "--set", setting, "--json")
    error = lines[-1]["error"]
    assert (code, error["code"], error["kind"]) == (4, 4, "refused")
    assert (error["node"], error["input"]) == (node, name)
    assert "it does not have a file that the prompt names. Missing: nope." in error["message"]
    assert [file["folder"] for file in error["missing"]] == [folder]
    assert hint in error["hint"]


def test_wrong_type_is_refused_here_and_there(command, tmp_path):
    code, _, errors = command("run", "toy_one_speaker", "--set", "sampler.preset.steps=many")
    assert code == 2
    assert 'preset.steps is "many"; it takes a whole number from 1 to 200' in errors
    prompt = read_prompt("toy_one_speaker")
    prompt["6"]["inputs"]["preset.steps"] = "many"
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(prompt))
    code, lines, _ = command("run", path, "--json")
    error = lines[-1]["error"]
    assert (code, error["node"]) == (4, "6")
    assert "many" in error["message"]


def test_failure_of_a_node_is_told_with_its_sentence(command):
    code, lines, _ = command("run", "toy_one_speaker", "--set", "sampler.overlap=4", "--json")
    error = lines[-1]["error"]
    assert (code, error["node"], error["kind"]) == (1, "6", "node failed")
    assert "overlap is 4; it must be a multiple of 4, plus 1. Use 1 or 5." in error["message"]


def test_no_host_has_a_code_of_its_own(command):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    code, _, errors = command("run", "toy_one_speaker", address=address)
    assert code == 3
    assert errors == (
        f"No ComfyUI answers at {address}. Start ComfyUI, or give its address with --address "
        "HOST:PORT.\n"
    )


def test_memory_option_needs_a_host_that_was_started_for_it(command, server, tmp_path):
    path = write_jobs(tmp_path)["one"]
    # On the CPU there is no memory of a GPU to spare.
    assert "--cpu" in server.command()
    assert command("job", path, "--num_persistent_param_in_dit", 0, *SMALL_JOB)[0] == 0


def test_upload_to_a_full_disk_has_a_code_of_its_own(command, server, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    picture = tmp_path / "full.png"
    picture.write_bytes(PICTURE.read_bytes() + b"full")
    target = server.base / "input" / upload_name(picture, "")
    target.parent.mkdir(parents=True)
    target.symlink_to("/dev/full")  # the host's own write fails with "no space left"
    code, _, errors = command("run", "toy_one_speaker", "--image", picture)
    assert code == 7
    assert errors.startswith("The host could not store full.png: it answered 500")
    assert "Its disk is full" in errors


@pytest.fixture
def short_of_disk(server, tmp_path):
    """Address of a host whose folder output/full holds only a few kB."""
    full = server.base / "output" / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(full)]
    if sys.platform == "linux" and os.geteuid() == 0:
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            yield server.address
            subprocess.run(["umount", str(full)], check=True)
            return
    resource = pytest.importorskip("resource", reason="Windows knows no limit of file sizes")
    if not hasattr(resource, "prlimit"):
        pytest.skip("neither a small file system nor a limit of file sizes can be made here")
    settings = HostSettings(base=tmp_path / "host", arguments=("--verbose", "WARNING"))
    with HostProcess(settings) as process:
        limit = process.log.stat().st_size + 50_000  # its log and uploads go on
        resource.prlimit(process._process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        yield process.address


def test_full_disk_of_the_host_has_a_code_of_its_own(command, short_of_disk, sounds, tmp_path):
    prompt = read_prompt("toy_one_speaker")
    prompt["7"]["inputs"]["filename_prefix"] = "full/talk"
    prompt["7"]["_meta"]["title"] = "long " * 20_000  # the video holds its graph
    path = tmp_path / "long.json"
    path.write_text(json.dumps(prompt))
    options = ["--sound", sounds[0], *SMALL, "--json"]
    code, lines, _ = command("run", path, *options, address=short_of_disk)
    error = lines[-1]["error"]
    assert (code, error["kind"], error["node"]) == (7, "cannot write", "7")
    assert "MultiTalkVideoCombine failed" in error["message"]
    assert "Free space on the disk" in error["hint"]


def test_folder_that_cannot_be_made_is_told_before_anything_runs(server, capsys, tmp_path):
    (tmp_path / "file").touch()
    arguments = ["--address", server.address, "--output", str(tmp_path / "file" / "sub")]
    assert main(["run", "toy_one_speaker", *arguments, "--json"]) == 7
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert "could not be written: Not a directory" in line["error"]["message"]


def busy(client):
    return sum(map(len, json.loads(client._request("/queue")).values()))


def hear_interruptions():
    """A shell that starts the tests in the background makes all of them deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("way", ["SIGINT", "SIGTERM", "host", "timeout"])
def test_interruption_stops_the_run_on_the_host(server, tmp_path, sounds, way):
    # As users have it: the folder alone, another process.
    program = [sys.executable, str(ROOT / "workflows" / "api"), "run", "toy_one_speaker"]
    options = ["--address", server.address, "--output", str(tmp_path), "--sound", str(sounds[0])]
    slow = [*SMALL[:-2], "--set", "sampler.preset.steps=200"]
    slow += ["--seed", str(sum(map(ord, way)))]  # a run that was not stopped would be cached
    limit = ["--timeout", "1"] if way == "timeout" else []
    with (
        HostClient(server.address) as client,
        subprocess.Popen(
            [*program, *options, *slow, *limit, "--json"],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=hear_interruptions,
        ) as run,
    ):
        for line in run.stdout:
            last = json.loads(line)
            if last["event"] == "queued":
                prompt_id = last["prompt_id"]
            elif last["event"] == "progress" and last["value"] == 1 and way != "timeout":
                if way == "host":
                    client.interrupt(prompt_id)
                else:
                    run.send_signal(getattr(signal, way))
        assert run.wait(60) == last["code"] == 5
        assert last["error"]["kind"] == "interrupted"
        assert ("stopped on the host as well" in last["error"]["message"]) == (way != "host")
        assert client.history(prompt_id)["status"]["status_str"] == "error"
        assert busy(client) == 0


def test_prompt_is_written_or_printed_and_nothing_runs(capsys, tmp_path):
    path = tmp_path / "prompt.json"
    assert main(["run", "toy_one_speaker", "--sound", str(VOICE), "--write", str(path)]) == 0
    text = capsys.readouterr()
    assert text.out == f"{path}\n"
    assert text.err == f"Copy {VOICE} to {upload_name(VOICE, '')} in the host's input folder.\n"
    assert main(["run", "toy_one_speaker", "--sound", str(VOICE), "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(path.read_text())
    assert main(["run", "toy_one_speaker", "--write", str(tmp_path / "no" / "a.json")]) == 7


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "GRAPH is missing"),
        (["walk"], "'walk' is no command; take run, job or jobs"),
        (
            ["run", "toy_one_speaker", "--seed", "-1"],
            "--seed is -1; it takes a whole number from 0 up, for example 7.",
        ),
        (
            ["run", "toy_one_speaker", "--address", "here:there"],
            "--address is here:there; it takes",
        ),
        (["run", "toy_one_speaker", "--prompt", "A dog"], "--prompt: this graph takes no text"),
        (["run", "toy_three"], "toy_three is neither a graph of this pack nor a file"),
        (["job"], "The job file is missing"),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(capsys, arguments, sentence):
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert sentence in line["error"]["message"]
    assert line["code"] in EXIT_CODES

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from pack.multitalk.sound.audio import Sound
from pack.multitalk.video.mp4 import VideoFile
from pack.tests.limits import full_disk, unwritten_memory
from pack.tests.multitalk import clips

ROOT = Path(__file__).resolve().parents[3]
WINDOWS = [12, 9, 1, 2, 16]
COLOUR_ERROR = 12.0  # mean of 255; x264 at its own quality on these small moving waves


def video(path, num_frames, *, rate=16000, channels=1, sound=None, **settings):
    sound = clips.clicks(num_frames, rate, channels) if sound is None else sound
    return VideoFile(
        path,
        **{"height": clips.HEIGHT, "width": clips.WIDTH, "metadata": clips.GRAPH} | settings,
        sound=Sound(waveform=sound, sample_rate=rate),
        num_frames=num_frames,
    )


def write_windows(file, windows):
    for size in windows:
        file.write(clips.pictures(file.frames_written, size))


def finished(path, windows=WINDOWS, **settings):
    with video(path, sum(windows), **settings) as file:
        write_windows(file, windows)
        file.finish()
    return path


def grown(path, windows=WINDOWS, **settings):
    with video(path, sum(windows), **settings) as file:
        write_windows(file, windows)
    return path


def check_pictures(contents, num_frames):
    expected = clips.pictures(0, num_frames).numpy().astype(int)
    assert contents.frames.shape == expected.shape
    errors = np.abs(contents.frames - expected).mean((1, 2, 3))
    assert errors.max() < COLOUR_ERROR, errors
    assert contents.times_s == [Fraction(frame, 25) for frame in range(num_frames)]


def test_file_plays_after_every_window(tmp_path):
    path = tmp_path / "a.mp4"
    with video(path, sum(WINDOWS)) as file:
        for size in WINDOWS:
            file.write(clips.pictures(file.frames_written, size))
            copy = tmp_path / "copy.mp4"
            copy.write_bytes(path.read_bytes())
            contents = clips.read(copy)
            done = file.frames_written
            check_pictures(contents, done)
            assert 0 <= contents.waveform.shape[1] - done * 640 < 1024
            assert clips.lag(contents.waveform, clips.clicks(done, 16000)) == 0
            assert json.loads(contents.metadata["workflow"]) == clips.GRAPH["workflow"]
            assert json.loads(contents.metadata["prompt"]) == clips.GRAPH["prompt"]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_finished_file_is_exact(tmp_path, rate, channels):
    frames = sum(WINDOWS)
    contents = clips.read(finished(tmp_path / "a.mp4", rate=rate, channels=channels))
    check_pictures(contents, frames)
    assert contents.frame_entries == frames
    assert contents.duration_s == contents.sound_s == Fraction(frames, 25)
    assert contents.sample_rate == rate
    assert len(contents.waveform) == channels
    assert clips.lag(contents.waveform, clips.clicks(frames, rate)) == 0


@pytest.mark.parametrize(
    ("rate", "stored"), [(37800, 44100), (18900, 22050), (192000, 96000), (6000, 7350)]
)
def test_rate_that_aac_lacks_is_resampled_in_sync(tmp_path, rate, stored):
    frames = sum(WINDOWS)
    contents = clips.read(finished(tmp_path / "a.mp4", rate=rate))
    assert contents.sample_rate == stored
    assert contents.sound_s == Fraction(frames, 25)
    places = [round((frame * rate // 25 + clips.CLICK) * stored / rate) for frame in range(frames)]
    expected = torch.zeros(1, frames * stored // 25)
    expected[0, places] = 1
    assert clips.lag(contents.waveform, expected) == 0


@pytest.mark.parametrize("channels", [3, 4, 5, 6])
def test_channels_are_kept_in_order(tmp_path, channels):
    hertz = torch.tensor([100, 200, 300, 50, 500, 600])[:channels]  # the fourth of six: low tones
    sound = 0.2 * torch.sin(2 * torch.pi * hertz[:, None] * torch.arange(16 * 640) / 16000)
    contents = clips.read(finished(tmp_path / "a.mp4", [8, 8], sound=sound))
    spectrum = np.abs(np.fft.rfft(contents.waveform[:, :8000]))  # 2 Hz apart
    assert [2 * int(place) for place in spectrum.argmax(1)] == hertz.tolist()


@pytest.mark.parametrize("samples", [0, 1, 5000, 10**6])
def test_sound_is_cut_or_padded_to_the_video(tmp_path, samples):
    path = finished(tmp_path / "a.mp4", [8, 8], sound=torch.full((1, samples), 0.1))
    contents = clips.read(path)
    assert contents.sound_s == Fraction(16, 25)
    loud = np.abs(contents.waveform[0]) > 0.05
    assert abs(int(loud.sum()) - min(samples, 16 * 640)) < 300


def test_sound_reaches_its_own_end_when_the_last_block_is_whole(tmp_path):
    contents = clips.read(finished(tmp_path / "a.mp4", [8] * 5, rate=25600))  # 40 blocks of 1024
    assert contents.sound_s == Fraction(40, 25)


def test_other_frame_rate(tmp_path):
    sound = clips.clicks(30, 48000, frame_rate=30)
    contents = clips.read(finished(tmp_path / "a.mp4", [20, 10], rate=48000, sound=sound,
                                   frame_rate=30))  # fmt: skip
    assert contents.times_s == [Fraction(frame, 30) for frame in range(30)]
    assert contents.duration_s == contents.sound_s == 1


def test_finished_file_has_its_index_in_front_and_the_graph(tmp_path):
    path = finished(tmp_path / "a.mp4")
    names = [name for name, _ in clips.boxes(path.read_bytes())]
    assert names.index("moov") < names.index("mdat")
    assert "moof" not in names
    contents = clips.read(path)
    assert json.loads(contents.metadata["workflow"]) == clips.GRAPH["workflow"]
    assert json.loads(contents.metadata["prompt"]) == clips.GRAPH["prompt"]


def test_no_metadata_where_none_is_given(tmp_path):
    for path in (
        finished(tmp_path / "a.mp4", metadata=None),
        grown(tmp_path / "b.mp4", metadata={}),
    ):
        assert not {"workflow", "prompt"} & set(clips.read(path).metadata)


def test_finishing_changes_no_picture_and_no_sound(tmp_path):
    before, after = clips.read(grown(tmp_path / "a.mp4")), clips.read(finished(tmp_path / "b.mp4"))
    assert np.array_equal(before.frames, after.frames)
    assert np.array_equal(before.waveform, after.waveform)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_file_cut_off_anywhere_keeps_whole_windows(tmp_path):
    data = grown(tmp_path / "a.mp4").read_bytes()
    ends = [end for name, end in clips.boxes(data) if name == "mdat"]
    assert len(ends) == len(WINDOWS)
    assert ends[-1] == len(data)
    cut = tmp_path / "cut.mp4"
    places = sorted({*ends, *(end - 1 for end in ends[1:]), *range(ends[0], len(data), 1009)})
    for place in places:
        cut.write_bytes(data[:place])
        whole = sum(size for size, end in zip(WINDOWS, ends, strict=True) if end <= place)
        contents = read_damaged(cut)
        expected = clips.pictures(0, whole).numpy().astype(int)
        assert len(contents) >= whole, (place, len(contents), whole)
        assert np.abs(contents[:whole] - expected).mean((1, 2, 3)).max() < COLOUR_ERROR


def read_damaged(path):
    """Frames that a player can show of a file that ends too early."""
    import av

    frames = []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        try:
            for packet in container.demux(video):
                frames += packet.decode()
        except av.error.InvalidDataError:
            frames += video.decode(None)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


@pytest.fixture(scope="module")
def other_process(tmp_path_factory):
    """A whole file of another process, and one that it wrote two of three windows of."""
    folder = tmp_path_factory.mktemp("other")
    whole, killed = folder / "whole.mp4", folder / "killed.mp4"
    command = [sys.executable, clips.__file__, ROOT, whole, "30,20", killed, "10,10,10"]
    # What memory holds that nobody has written: 85 there, 170 here.
    environment = {**os.environ, "MALLOC_PERTURB_": "85"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(map(str, command), env=environment, **pipes) as child:
        for _ in range(4):
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "written\n"
        child.kill()
    return whole, killed


def test_same_frames_give_the_same_bytes_in_other_processes(tmp_path, other_process):
    there, here = other_process[0], tmp_path / "here.mp4"
    shape = {"height": 96, "width": 160}
    with unwritten_memory(170), video(here, 50, **shape) as file:
        for size in (30, 20):
            file.write(clips.pictures(file.frames_written, size, **shape))
        file.finish()
    assert there.read_bytes() == here.read_bytes()


def test_killed_process_leaves_a_file_that_plays(other_process):
    contents = clips.read(other_process[1])
    assert len(contents.frames) == 20
    assert clips.lag(contents.waveform, clips.clicks(20, 16000)) == 0


def test_interrupted_run_leaves_a_file_that_plays(tmp_path):
    path = tmp_path / "a.mp4"
    with suppress(KeyboardInterrupt), video(path, 40) as file:
        write_windows(file, [12, 9])
        raise KeyboardInterrupt
    assert len(clips.read(path).frames) == 21
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_run_that_stops_before_the_first_window_leaves_nothing(tmp_path):
    with suppress(KeyboardInterrupt), video(tmp_path / "a.mp4", 40):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [0, 1, 2000])
def test_refused_window_leaves_those_before(tmp_path, more):
    path = tmp_path / "a.mp4"
    with video(path, 30) as file:
        write_windows(file, [10, 10])
        before = path.read_bytes()
        with (
            full_disk(len(before) + more),
            pytest.raises(OSError, match="could not be written") as refusal,
        ):
            write_windows(file, [10])
        with pytest.raises(AssertionError, match="an earlier write failed"):
            write_windows(file, [10])
    assert str(refusal.value) == (
        f"The video file {path} could not be written: the file would be larger than is allowed "
        "there. Its first 20 of 30 frames are safe and play. Choose another folder and run again."
    )
    assert path.read_bytes() == before
    assert len(clips.read(path).frames) == 20


def test_refused_first_window_leaves_nothing(tmp_path):
    with (
        video(tmp_path / "a.mp4", 30) as file,
        full_disk(2000),
        pytest.raises(OSError, match=r"No frame was written\. Choose another"),
    ):
        write_windows(file, [10])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", [1, 7, 100, 2000, 8000, 10**9])
def test_refused_finish_leaves_the_growing_file(tmp_path, missing):
    size = finished(tmp_path / "whole.mp4").stat().st_size
    path = tmp_path / "a.mp4"
    with video(path, sum(WINDOWS)) as file:
        write_windows(file, WINDOWS)
        with (
            full_disk(max(size - missing, 0)),
            pytest.raises(OSError, match="could not be written") as refusal,
        ):
            file.finish()
    assert str(refusal.value).endswith(
        "All frames are safe in it and play; only their index is missing. "
        "Use it as it is, or choose another folder and run again."
    )
    check_pictures(clips.read(path), sum(WINDOWS))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "whole.mp4"]


@pytest.fixture
def read_only_folder():
    """A folder that this process may not write to, whoever runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # the administrator may write anywhere
        yield folder
        if user == 0:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such folders on Windows")
def test_read_only_folder_is_found_out_at_once(read_only_folder):
    with pytest.raises(OSError, match=r"writing to the folder is not allowed. No frame was"):
        video(read_only_folder / "a.mp4", 8)


def test_missing_folder_is_found_out_at_once(tmp_path):
    with pytest.raises(OSError, match=r"it or its folder is not there. No frame was written"):
        video(tmp_path / "none" / "a.mp4", 8)


def test_file_that_is_there_is_not_touched(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(OSError, match=r"a file of that name is there already.*another name"):
        video(path, 8)
    assert path.read_bytes() == b"precious"


def test_folder_that_vanishes_is_noticed(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with video(folder / "a.mp4", 16) as file:
        write_windows(file, [8])
        (folder / "a.mp4").unlink()
        folder.rmdir()
        with pytest.raises(OSError, match=r"not there. The frames written before went with"):
            write_windows(file, [8])


def test_odd_sides_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"The frames are 63 x 48; H.264 needs even sides"):
        video(tmp_path / "a.mp4", 8, width=63)
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_refused(tmp_path):
    with video(tmp_path / "a.mp4", 16) as file:
        with pytest.raises(AssertionError, match=r"17 frames of 16"):
            file.write(clips.pictures(0, 17))
        with pytest.raises(AssertionError, match="no frames"):
            file.write(clips.pictures(0, 0))
        with pytest.raises(AssertionError, match="float"):
            file.write(clips.pictures(0, 4).float())
        write_windows(file, [8])
        with pytest.raises(AssertionError, match="8 of 16 frames were written"):
            file.finish()
        write_windows(file, [8])
        file.finish()


def test_memory_does_not_grow_with_length(tmp_path):
    num_windows, size = 200, 3
    with video(tmp_path / "a.mp4", num_windows * size) as file:
        frames = clips.pictures(0, size)
        for _ in range(20):
            file.write(frames)
        tracemalloc.start()
        resident = resident_mib()
        file.write(frames)
        early = tracemalloc.get_traced_memory()[0]
        for _ in range(num_windows - 21):
            file.write(frames)
        late = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert late - early < 64 * 1024
        assert resident_mib() - resident < 16
        file.finish()


def resident_mib():
    """Memory of this process; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    lines = status.read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

"""Control of the windows on a VACE base: ours, and what the host's WanVaceToVideo left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pack.tests.nodes.test_other_bases import random_numbers

pytestmark = pytest.mark.host


class SmallVae:
    """Latents as a causal VAE orders them: the first frame alone, then four at a time."""

    def __init__(self):
        self._mix = random_numbers(6)(3, 16)

    def encode(self, frames):
        from einops import reduce

        cells = reduce(frames, "f (h a) (w b) c -> f h w c", "mean", a=8, b=8)
        groups = [cells[:1], *(cells[1:].split(4) if len(cells) > 1 else ())]
        times = torch.stack([group.mean(0) for group in groups]) @ self._mix
        return times.movedim(-1, 0)[None]


HEIGHT, WIDTH, WINDOW, OVERLAP = 32, 48, 13, 5


def plan_of(num_frames, window=WINDOW):
    from pack.multitalk.windows import WindowSize, plan_exact

    return plan_exact(num_frames, WindowSize(window=window, overlap=OVERLAP))


def request_of(vae, index, known, picture, *, window=WINDOW):
    """A window that begins with known frames."""
    from pack.multitalk.frames import count_latent_frames, pad_with_grey

    return SimpleNamespace(
        index=index,
        condition=vae.encode(pad_with_grey(known, window)),
        known_latent_frames=count_latent_frames(len(known)),
        picture=picture,
    )


def from_host(vae, length, *, width=WIDTH, before=None, strength=1.0, **pictures):
    """What the host's WanVaceToVideo makes of it."""
    from comfy_extras.nodes_wan import WanVaceToVideo

    text = before or [[torch.zeros(1, 1, 64), {}]]
    made = WanVaceToVideo.execute(
        text, text, vae, width, HEIGHT, length, 1, strength, **pictures
    ).args
    return made[0]


def pictures(count, seed=0):
    return torch.rand(count, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(seed))


def windows_of(num_frames, text, size=(HEIGHT, WIDTH), window=WINDOW):
    from pack.nodes.sampling.control import ControlWindows

    return ControlWindows(plan_of(num_frames, window), [text, text], size)


@pytest.mark.parametrize("known", [1, 5, 9])
def test_known_frames_and_picture_are_told_as_the_hosts_node_would(host, known):
    vae, shown, picture = SmallVae(), pictures(known), pictures(1, 7)
    frames = torch.cat([shown, torch.full((WINDOW - known, HEIGHT, WIDTH, 3), 0.5)])
    masks = torch.ones(WINDOW, HEIGHT, WIDTH)
    masks[:known] = 0
    expected = from_host(
        vae, WINDOW, control_video=frames, control_masks=masks, reference_image=picture
    )[0][1]
    windows = windows_of(50, [[torch.zeros(1, 1, 64), {}]])
    assert (windows.front, windows.notes) == (1, [])
    text = [[torch.zeros(1, 1, 64), {"other": 3}]]
    (found,) = windows.apply(text, request_of(vae, 1, shown, picture), vae.encode)
    assert found[1]["other"] == 3
    for name in ("vace_frames", "vace_mask"):
        torch.testing.assert_close(found[1][name], expected[name], rtol=0, atol=1e-6)
    assert found[1]["vace_strength"] == [1.0]


def test_a_still_picture_is_encoded_once_for_all_texts_and_windows(host):
    vae, picture, encoded = SmallVae(), pictures(1, 7), []

    def encode(frames):
        encoded.append(len(frames))
        return vae.encode(frames)

    text = [[torch.zeros(1, 1, 64), {}]]
    windows = windows_of(50, text)
    for index in range(3):
        for _ in "positive", "negative":
            request = request_of(vae, index, pictures(1), picture.clone())
            (found,) = windows.apply(text, request, encode)
    assert encoded == [WINDOW, 1]  # mid grey, and the picture
    windows.apply(text, request_of(vae, 3, pictures(1), pictures(1, 8)), encode)
    assert encoded == [WINDOW, 1, 1]
    assert torch.equal(found[1]["vace_frames"][0][:, :16, :1], vae.encode(picture))


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_control_of_the_whole_video_is_cut_into_windows(host, index, reference):
    vae, picture, shown = SmallVae(), pictures(1, 7), pictures(OVERLAP if index else 1)
    control, num_frames = pictures(27, 3), 27  # windows at 0, 8 and 16; the last ends at 29
    masks = torch.rand(27, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(4)).round()
    given = {"control_video": control, "control_masks": masks}
    if reference:
        given["reference_image"] = pictures(1, 9)
    text = from_host(vae, 29, strength=0.6, **given)
    text = from_host(vae, 29, strength=0.3, before=text, **given)
    windows = windows_of(num_frames, text)
    assert windows.front == 1
    assert windows.notes == ["each window follows its part of the VACE control"]
    request = request_of(vae, index, shown, picture)
    (found,) = windows.apply(text, request, vae.encode)
    own = windows_of(num_frames, []).apply([[None, {}]], request, vae.encode)[0][1]
    known, first = request.known_latent_frames, 2 * index
    for name in ("vace_frames", "vace_mask"):
        whole = text[0][1][name][0][:, :, 1 if reference else 0 :]
        first_of_two, second = found[1][name]
        assert torch.equal(first_of_two, second)
        assert torch.equal(first_of_two[:, :, 1 : 1 + known], own[name][0][:, :, 1 : 1 + known])
        rest = whole[:, :, first + known : first + 4]
        assert torch.equal(first_of_two[:, :, 1 + known :], rest)
        picture_in_front = text[0][1][name][0] if reference else own[name][0]
        assert torch.equal(first_of_two[:, :, :1], picture_in_front[:, :, :1])
    assert found[1]["vace_strength"] == [0.6, 0.3]


def test_control_that_ends_before_the_last_window_says_nothing_after(host):
    vae = SmallVae()
    text = from_host(vae, 17, control_video=pictures(17))
    windows = windows_of(17, text)  # at 0 and 8, to 21
    request = request_of(vae, 1, pictures(OVERLAP), pictures(1))
    (found,) = windows.apply(text, request, vae.encode)
    video, mask = found[1]["vace_frames"][0], found[1]["vace_mask"][0]
    grey = vae.encode(torch.full((WINDOW, HEIGHT, WIDTH, 3), 0.5))
    assert torch.equal(video[:, :, -1], torch.cat([grey, grey], dim=1)[:, :, -1])
    assert torch.equal(video[:, :, 3:4], text[0][1]["vace_frames"][0][:, :, 4:5])
    assert bool((mask[:, :, -1:] == 1).all())


def test_control_as_long_as_a_window_is_followed_by_each(host):
    vae = SmallVae()
    text = from_host(vae, WINDOW, control_video=pictures(WINDOW))
    windows = windows_of(50, text)
    assert "as long as one window" in windows.notes[0]
    assert "set length of WanVaceToVideo to 53" in windows.notes[0]
    request = request_of(vae, 3, pictures(OVERLAP), pictures(1))
    (found,) = windows.apply(text, request, vae.encode)
    expected = text[0][1]["vace_frames"][0][:, :, 2:]
    assert torch.equal(found[1]["vace_frames"][0][:, :, 3:], expected)


@pytest.mark.parametrize(
    ("length", "width", "words"),
    [
        (17, WIDTH, r"control of 17 frames; the video has 50, in windows of 13\. .* to 53, .* 13,"),
        (WINDOW, 64, r"control of 64 x 32; the video is 48 x 32\. Set width and height of WanV"),
    ],
)
def test_control_that_does_not_fit_is_refused(host, length, width, words):
    with pytest.raises(ValueError, match=words):
        windows_of(50, from_host(SmallVae(), length, width=width))


def test_controls_that_cannot_be_added_are_refused(host):
    vae = SmallVae()
    text = from_host(vae, WINDOW)
    with pytest.raises(ValueError, match=r"stands several times .* same length"):
        windows_of(50, from_host(vae, WINDOW, before=text, reference_image=pictures(1)))


def test_control_in_texts_tells_runs_apart(host):
    from pack.nodes.sampling.contents import value_digest

    text = from_host(SmallVae(), WINDOW, control_video=pictures(WINDOW))
    other = from_host(SmallVae(), WINDOW, control_video=pictures(WINDOW), strength=0.9)
    again = from_host(SmallVae(), WINDOW, control_video=pictures(WINDOW))
    assert value_digest(text) == value_digest(again) != value_digest(other)
    again[0][1]["vace_mask"][0][0, 0, 0, 0, 0] += 1
    assert value_digest(text) != value_digest(again)


def test_the_guider_takes_size_and_pictures_from_the_control(host):
    from pack.nodes.guider import start_latent

    text = from_host(SmallVae(), WINDOW, reference_image=pictures(1))
    latent, front = start_latent(text, "control")
    assert (latent.shape, front) == ((1, 16, 4, HEIGHT // 8, WIDTH // 8), 1)
    assert torch.equal(latent, text[0][1]["vace_frames"][0][:, :16, 1:])
    with pytest.raises(ValueError, match=r"positive carries no control, .* WanVaceToVideo before"):
        start_latent([[None, {}]], "control")
    with pytest.raises(ValueError, match=r"text-to-video one.* Use MultiTalk Sampler"):
        start_latent(text, "text")

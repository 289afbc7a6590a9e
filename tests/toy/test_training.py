"""All stages after the speech, very short: what they leave is a toy that the pack accepts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host
CPU = torch.device("cpu")
WIDTH = 4  # of the VAE, a fourth of the shipped one's: a sixteenth of the computing
BATCH, CELLS = 2, 4  # of all trainings, and the side of the decoder's crops in latent cells
LONG_CLIPS = 3
PACE = 4  # frames for which a drawing stays
MINUTES = (0.005, 0.02)  # of the two trainings of the denoiser, together


@pytest.fixture(scope="module")
def small():
    """Every stage with little to compute."""
    from pack.tools.toy import decoder_train, denoiser_train, frozen_vae, vae_train
    from pack.tools.toy.world import Scene

    film = Scene.film

    def jerky(scene, openings, *, start=0):
        drawn = film(scene, openings[:, ::PACE], start=start)
        return np.repeat(drawn, PACE, 0)[: openings.shape[1]]

    with pytest.MonkeyPatch.context() as patch:
        for module in (vae_train, frozen_vae):
            patch.setattr(module, "DIM", WIDTH)
        patch.setattr(vae_train, "IMAGES", replace(vae_train.IMAGES, batch=BATCH))
        patch.setattr(decoder_train, "CELLS", CELLS)
        patch.setattr(denoiser_train, "BATCH", BATCH)
        patch.setattr(Scene, "film", jerky)
        yield


@pytest.fixture(scope="module")
def trained(host, small, tmp_path_factory):
    import comfy.model_management

    from pack.tools.lab.cast import load_voices
    from pack.tools.toy import continue_train, returning_train, rollout
    from pack.tools.toy.clips import draw_clips
    from pack.tools.toy.decoder_train import polish_decoder
    from pack.tools.toy.denoiser_train import train_denoiser
    from pack.tools.toy.export import FILES, export_toy
    from pack.tools.toy.frozen_vae import freeze_vae
    from pack.tools.toy.latents import encode_clips
    from pack.tools.toy.long_windows import encode_long
    from pack.tools.toy.vae_train import train_vae

    folder, out = tmp_path_factory.mktemp("toy"), tmp_path_factory.mktemp("assets")
    voices = load_voices()[:4]
    (folder / "speech").mkdir()
    samples, lengths = np.concatenate(voices), [len(voice) for voice in voices]
    np.savez(folder / "speech" / "train.npz", samples=samples, lengths=lengths)
    shipped = host.root / "assets" / "toy" / FILES["encoder"]
    (folder / "encoder.safetensors").write_bytes(shipped.read_bytes())
    draw_clips(folder, seed=0, count=4, processes=1)
    train_vae(folder, seed=0, minutes=0.01, device=CPU)
    freeze_vae(folder)
    encode_clips(folder, seed=0, processes=1)
    polish_decoder(folder, seed=0, minutes=0.005, device=CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(returning_train, "UNMOVED", 0)
        returning_train.train_returning(folder, seed=0, minutes=0.005, device=CPU)
    encode_long(folder, seed=0, count=LONG_CLIPS, processes=1)
    comfy.model_management.in_training = True
    for minutes in MINUTES:  # the second call goes on where the first one stopped
        train_denoiser(folder, seed=0, minutes=minutes, device=CPU)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BATCH": 2, "LONG_BATCH": 1, "UNMOVED": 1, "LOOKED_AT": 1}.items():
            patch.setattr(continue_train, name, value)
        patch.setattr(rollout, "STEPS", 3)
        for minutes in MINUTES:
            continue_train.train_continuation(folder, seed=0, minutes=minutes, device=CPU)
    comfy.model_management.in_training = False
    export_toy(folder, out, seed=0, metrics={"one_face_r": 0.5})
    return folder, out


def test_every_file_is_what_the_loaders_expect(trained):
    from pack.multitalk.model.fit import audio_part_config, check_base, check_fit
    from pack.multitalk.model.kinds import kind_of, needs_clip
    from pack.multitalk.model.naming import read_model_header as read_header
    from pack.tools.toy.export import FILES

    headers = {name: read_header(trained[1] / file) for name, file in FILES.items()}
    check_base(headers["base"])
    assert not needs_clip(headers["base"])
    config = audio_part_config(headers["audio"])
    check_fit(headers["base"], config, "audio")
    assert kind_of(headers["vae"]) == "WAN VAE"
    assert kind_of(headers["encoder"]) == "speech encoder"
    facts = headers["base"].config("multitalk")
    assert facts["trained"]
    assert facts["metrics"] == {"one_face_r": 0.5}
    assert (facts["window"], facts["overlap"]) == (33, 9)


def test_latents_have_unit_deviation_and_motion_where_a_window_is_continued(trained):
    from pack.tools.toy.latents import KINDS, PINNED, open_latents

    bank, done = open_latents(trained[0])
    assert done.all()
    assert np.std(bank.target.astype(np.float32)) == pytest.approx(1, abs=0.35)
    for motion, kind in zip(bank.motion, bank.kind, strict=True):
        moving = np.abs(motion.astype(np.float32)).max((0, 2)) > 0
        assert moving.tolist() == [i < PINNED[KINDS[kind]] for i in range(3)]


def test_the_way_back_goes_half_the_way_with_encoder_and_decoder_and_keeps_its_beginning(trained):
    from pack.tools.toy.frozen_vae import POLISHED, load_folded

    before, after = (
        torch.load(trained[0] / f"{name}.pt", weights_only=True)["average"]
        for name in ("decoder", "returning")
    )
    changed = {name.partition(".")[0] for name in before if not before[name].equal(after[name])}
    assert changed >= {"encoder", "decoder"}
    kept = load_folded(trained[0], "returning_before.safetensors").state_dict()
    shipped = load_folded(trained[0], POLISHED).state_dict()
    assert all(kept[name].equal(before[name]) for name in kept)
    for name, tensor in shipped.items():
        assert torch.allclose(tensor, (before[name] + after[name]) / 2, atol=1e-6)


def test_training_goes_on_and_is_logged(trained):
    state = torch.load(trained[0] / "denoiser_0.pt", weights_only=True)
    assert state["step"] >= 2
    assert state["seconds"] >= MINUTES[1] * 60
    losses = [json.loads(line) for line in (trained[0] / "denoiser_0.log").read_text().splitlines()]
    assert losses[-1]["step"] == state["step"]


def test_continuation_goes_on_with_the_denoiser_and_tells_what_it_repairs(trained):
    before, after = (
        torch.load(trained[0] / f"{name}_0.pt", weights_only=True)
        for name in ("denoiser", "continued")
    )
    assert after["step"] >= 2
    weights = before["average"]
    moved = max((after["average"][name] - weights[name]).abs().max() for name in weights)
    assert 0 < moved < 0.01  # few steps at a low rate
    rows = [json.loads(line) for line in (trained[0] / "continued_0.log").read_text().splitlines()]
    found = [row for row in rows if "passed_on_before" in row]
    assert len(found) == len(MINUTES)
    assert found[0]["passed_on_before"] == found[1]["passed_on_before"]


def test_long_clips_are_whole_films_with_sound_and_what_the_vae_changes_in_them(trained):
    from pack.tools.toy.frozen_vae import decode, denormalize, load_folded
    from pack.tools.toy.long_windows import LATENT_FRAMES, WINDOW, open_long

    bank, done = open_long(trained[0])
    assert done.sum() >= 2
    assert (LATENT_FRAMES - 1) * 4 + 1 == WINDOW
    vae = load_folded(trained[0])
    for number in np.flatnonzero(done):
        shape = (18, 12) if bank.tall[number] else (12, 18)
        latents = torch.from_numpy(bank.target[number].astype(np.float32)).unflatten(-1, shape)
        assert decode(vae, denormalize(latents[None])).shape[2] == WINDOW
        assert np.abs(bank.change[number].astype(np.float32)).max() > 0.01
        assert bank.speech[number, 1].any() == bank.two[number]
        begin = bank.begin[number].astype(np.float32)
        assert np.abs(begin[:, 1:] - begin[:, -1:]).max() < np.abs(begin[:, 0] - begin[:, -1]).max()


def test_every_encoded_clip_knows_what_the_vae_changes_in_it(trained):
    from pack.tools.toy.latents import open_latents
    from pack.tools.toy.round_trips import ARRAYS, changes_folder
    from pack.tools.toy.stored import open_rows

    _, encoded = open_latents(trained[0])
    measured = open_rows(changes_folder(trained[0]), ARRAYS)
    assert measured["done"].tolist() == encoded.tolist()
    assert np.abs(measured["change"].astype(np.float32)).max((1, 2, 3)).min() > 0.01


def test_exported_weights_are_those_of_the_last_training(trained):
    from pack.tools.toy.export import trained_weights

    states = [
        torch.load(trained[0] / f"{name}_0.pt", weights_only=True)
        for name in ("denoiser", "continued")
    ]
    average, steps = trained_weights(trained[0], 0)
    assert steps == sum(state["step"] for state in states)
    assert all(torch.equal(average[name], states[1]["average"][name]) for name in average)


def test_shipped_toy_can_be_gone_on_from(host, tmp_path):
    from pack.tools.toy.adopted import adopt_toy
    from pack.tools.toy.export import trained_weights
    from pack.tools.toy.frozen_vae import POLISHED

    adopt_toy(host.root / "assets" / "toy", tmp_path, seed=3, seconds=60.0)
    average, steps = trained_weights(tmp_path, 3)
    assert steps > 1000
    assert all(value.dtype == torch.float32 for value in average.values())
    assert {name.partition(".")[0] for name in average} == {"base", "audio"}
    assert (tmp_path / POLISHED).is_file()
    assert (tmp_path / "encoder.safetensors").is_file()

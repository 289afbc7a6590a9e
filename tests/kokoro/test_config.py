from __future__ import annotations

import json

import pytest

from pack.kokoro.config import (
    VOCABULARY,
    KokoroConfig,
    parse_config,
    phoneme_ids,
    read_config,
)
from pack.kokoro.symbols import SYMBOLS
from pack.tools.make.small_kokoro import SMALL, SMALL_JSON

PUBLISHED = {
    "istftnet": {
        "upsample_kernel_sizes": [20, 12], "upsample_rates": [10, 6], "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20, "resblock_dilation_sizes": [[1, 3, 5]] * 3,
        "resblock_kernel_sizes": [3, 7, 11], "upsample_initial_channel": 512,
    },
    "dim_in": 64, "dropout": 0.2, "hidden_dim": 512, "max_conv_dim": 512, "max_dur": 50,
    "multispeaker": True, "n_layer": 3, "n_mels": 80, "n_token": 178, "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 2048,
        "max_position_embeddings": 512, "num_hidden_layers": 12, "dropout": 0.1,
    },
    "vocab": dict(VOCABULARY),
}  # fmt: skip


def changed(section="", **values):
    config = json.loads(json.dumps(SMALL_JSON))
    (config[section] if section else config).update(values)
    return config


def test_published_values_are_the_defaults():
    assert parse_config(PUBLISHED) == KokoroConfig()
    assert KokoroConfig().samples_per_frame == 600


def test_sizes_come_from_the_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SMALL_JSON))
    assert read_config(path) == SMALL


def test_vocabulary_is_the_alphabet_of_the_model():
    assert set(VOCABULARY) == SYMBOLS
    assert len(set(VOCABULARY.values())) == len(VOCABULARY) == 114
    assert {VOCABULARY[s] for s in ';:,.!? "()'} == {1, 2, 3, 4, 5, 6, 11, 12, 13, 16}
    assert (VOCABULARY["a"], VOCABULARY["z"], VOCABULARY["\u02c8"]) == (43, 68, 156)
    assert 0 not in VOCABULARY.values()
    assert max(VOCABULARY.values()) == 177


def test_vocabulary_of_the_file_counts():
    assert parse_config(changed(vocab={"a": 1, "\u0259": 2})).vocabulary == {"a": 1, "\u0259": 2}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "no sections istftnet and plbert"),
        ({"model_type": "bert"}, "no sections istftnet and plbert"),
        (changed(hidden_dim="512"), "hidden_dim has '512', not a whole number"),
        (changed(hidden_dim=0), "hidden_dim has 0"),
        (changed(hidden_dim=True), "hidden_dim has True"),
        (changed(hidden_dim=15), "hidden_dim must be even"),
        (changed(plbert=5), "plbert is 5, not a section"),
        (changed("plbert", num_attention_heads=5), "multiple of num_attention_heads"),
        (changed("istftnet", upsample_rates=[10]), "must be equally long"),
        (changed("istftnet", upsample_rates=3), "upsample_rates is 3"),
        (changed("istftnet", upsample_kernel_sizes=[20, 11]), "exceed its rate by an even number"),
        (changed("istftnet", upsample_initial_channel=6), "divisible by 2 per level"),
        (changed("istftnet", resblock_kernel_sizes=[3]), "resblock_dilation_sizes must be equally"),
        (changed("istftnet", resblock_kernel_sizes=[3, 4]), "must be odd"),
        (changed("istftnet", resblock_dilation_sizes=[1, 3]), "resblock_dilation_sizes is 1"),
        (changed("istftnet", gen_istft_hop_size=20), "smaller than gen_istft_n_fft"),
        (changed(vocab={"ab": 1}), "a symbol is one character"),
        (changed(vocab={"a": 178}), "0 to 177"),
        (changed(vocab={}), "no table of symbols"),
    ],
)
def test_what_no_network_can_have_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        parse_config(config)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_file_that_is_no_configuration_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json cannot be used .* published beside"):
        read_config(path)


def test_ids_have_the_boundary_at_both_ends():
    assert phoneme_ids("a b", VOCABULARY) == [0, 43, 16, 44, 0]


def test_unknown_characters_have_no_id():
    assert phoneme_ids("a@\u4e00b", VOCABULARY) == [0, 43, 44, 0]
    assert phoneme_ids("", VOCABULARY) == [0, 0]


def test_more_than_510_phonemes_are_refused():
    assert len(phoneme_ids("a" * 510, VOCABULARY)) == 512
    with pytest.raises(ValueError, match="511 phonemes were given at once; the model takes 510"):
        phoneme_ids("a" * 511, VOCABULARY)

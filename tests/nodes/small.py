"""Random models of two blocks: most tests run with them, at half the cost of the shipped toy."""

from __future__ import annotations

from safetensors.torch import save_file

SMALL = {
    "base": "test_small_base.safetensors",
    "audio_part": "test_small_audio.safetensors",
    "vae": "test_small_vae.safetensors",
    "encoder": "test_small_encoder.safetensors",
}
SIZES = {"dim": 64, "ffn": 128, "layers": 2}  # of the base


def write_small(host):
    """Put the files into the host's search paths."""
    import folder_paths
    from toy import build_audio, build_base, build_encoder
    from toy_vae import build_vae

    audio = {"dim": SIZES["dim"], "layers": SIZES["layers"]}
    made = {
        "base": ("diffusion_models", build_base(**SIZES)),
        "audio_part": ("model_patches", build_audio(encoder_layers=2, **audio)),
        "vae": ("vae", build_vae(dim=8)),
        "encoder": ("audio_encoders", build_encoder(layers=2, conv_dim=4)),
    }
    for kind, (key, (state, metadata)) in made.items():
        folder = host.base / "small" / key
        folder.mkdir(parents=True)
        folder_paths.add_model_folder_path(key, str(folder))
        tensors = {name: tensor.contiguous() for name, tensor in state.items()}
        save_file(tensors, folder / SMALL[kind], metadata)
    folder_paths.filename_list_cache.clear()

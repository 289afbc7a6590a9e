"""Host WAN 2.1 models of any size with the audio part attached, from weights or random ones."""

from __future__ import annotations

import comfy.latent_formats
import comfy.ldm.wan.model
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import torch

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.audio_attention import build_audio_part
from pack.nodes.loading.audio_hooks import AttachedAudio, attach_audio

CPU = torch.device("cpu")


def audio_config(sizes):
    return AudioPartConfig(
        dim=sizes["dim"],
        num_heads=sizes["num_heads"],
        num_layers=sizes["num_layers"],
        encoder_layers=sizes["audio_layers"],
        encoder_channels=sizes["audio_channels"],
        hidden=sizes["audio_hidden"],
        num_tokens=sizes["audio_tokens_per_speaker"],
        token_width=sizes["audio_token_dim"],
        class_range=sizes["speaker_class_range"],
        class_interval=sizes["speaker_class_interval"],
    )


def host_model(sizes, operations=comfy.ops.disable_weight_init):
    """Host WAN21 model of the golden's sizes, float32, with empty weights."""
    unet = {
        "image_model": "wan2.1", "model_type": "i2v", "dim": sizes["dim"],
        "num_heads": sizes["num_heads"], "num_layers": sizes["num_layers"],
        "ffn_dim": sizes["ffn_dim"], "freq_dim": sizes["freq_dim"], "text_dim": sizes["text_dim"],
        "text_len": sizes["text_len"], "in_dim": sizes["in_channels"],
        "out_dim": sizes["out_channels"], "patch_size": tuple(sizes["patch_size"]),
        "eps": sizes["norm_eps"], "qk_norm": sizes["qk_norm_self"], "cross_attn_norm": True,
    }  # fmt: skip
    config = comfy.supported_models.WAN21_I2V(unet)
    config.latent_format = PlainLatent()
    config.set_inference_dtype(torch.float32, None)
    config.custom_operations = operations
    model = config.get_model({}, "", device=CPU)
    settings = {"operations": operations, "device": CPU, "dtype": torch.float32}
    model.diffusion_model.img_emb = comfy.ldm.wan.model.MLPProj(
        sizes["clip_dim"], sizes["dim"], operation_settings=settings
    )
    return model


def build_model(sizes, weights, family="multitalk"):
    """Host model with the weights and the audio part attached."""
    model = host_model(sizes)
    part = build_audio_part(audio_config(sizes), comfy.ops.disable_weight_init)
    ours = set(part.state_dict())
    part.load_state_dict({n: t for n, t in weights.items() if n in ours})
    model.diffusion_model.load_state_dict({n: t for n, t in weights.items() if n not in ours})
    model.requires_grad_(requires_grad=False)
    patcher = comfy.model_patcher.ModelPatcher(model, CPU, CPU)
    attached = AttachedAudio(name="golden", family=family, config=part.config)
    return attach_audio(patcher, comfy.model_patcher.ModelPatcher(part, CPU, CPU), attached)


def random_weights(sizes):
    """Weights of any size, small enough that activations stay finite; for benchmarks."""
    part = build_audio_part(audio_config(sizes), comfy.ops.disable_weight_init)
    network = host_model(sizes).diffusion_model
    shapes = {**network.state_dict(), **part.state_dict()}
    return {name: torch.randn(t.shape) * 0.02 for name, t in shapes.items()}


class PlainLatent(comfy.latent_formats.Wan21):
    """Latents without mean and deviation."""

    def __init__(self):
        super().__init__()
        self.latents_mean = torch.zeros_like(self.latents_mean)
        self.latents_std = torch.ones_like(self.latents_std)

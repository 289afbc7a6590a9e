"""The host's own network with the pack's audio part, random or without numbers, and a step of it.

For measurements at the released sizes, on a card that is not there (real_size.py) or that is
(gpu.py), and at tiny sizes anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import torch

RELEASED = {
    "image_model": "wan2.1", "model_type": "i2v", "dim": 5120, "num_heads": 40, "ffn_dim": 13824,
    "freq_dim": 256, "text_dim": 4096, "text_len": 512, "in_dim": 36, "out_dim": 16,
    "patch_size": (1, 2, 2), "eps": 1e-6, "qk_norm": True, "cross_attn_norm": True,
}  # fmt: skip
TINY = {**RELEASED, "dim": 256, "num_heads": 2, "ffn_dim": 512, "text_dim": 64}
VAE = {
    "dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
    "temperal_downsample": [False, True, True], "image_channels": 3, "conv_out_channels": 3,
    "dropout": 0.0,
}  # fmt: skip


@dataclass(kw_only=True, slots=True)
class Step:
    """What a window is made of."""

    height: int  # px
    width: int  # px
    speakers: int = 1
    frames: int = 81
    known: int = 7  # latent frames that come from the window before
    text: float = 5.0
    audio: float = 4.0
    together: bool = False  # passes of one kind in one batch
    steps: int = 2
    text_rows: int = 512

    @property
    def latent_frames(self) -> int:
        """Of the VAE."""
        return (self.frames + 3) // 4


def build_model(
    blocks, device, sizes=RELEASED, *, dtype=torch.bfloat16, operations=None, offload=None
):
    """The host's network and the audio part on a device, their weights not set.

    Args:
        blocks: Their number.
        device: Where the work is, and the weights if `offload` is None.
        sizes: RELEASED or TINY.
        dtype: Of weights and work.
        operations: Namespace of layers of the network; the host's plain ones if None.
        offload: Where the weights are, for the host to bring.
    """
    import comfy.model_patcher
    import comfy.ops
    import comfy.supported_models

    from pack.multitalk.config import AudioPartConfig
    from pack.multitalk.model.audio_attention import build_audio_part
    from pack.nodes.loading.audio_hooks import AttachedAudio, attach_audio

    layers = operations or comfy.ops.disable_weight_init
    place = device if offload is None else offload
    config = comfy.supported_models.WAN21_I2V({**sizes, "num_layers": blocks})
    config.set_inference_dtype(dtype, None)
    config.custom_operations = layers
    model = config.get_model({}, "", device=place)
    for module in model.modules():
        for name, buffer in list(module._buffers.items()):
            module._buffers[name] = None if buffer is None else buffer.to(place)
    hidden = min(512, sizes["dim"] // 8)
    audio = AudioPartConfig(
        dim=sizes["dim"], num_heads=sizes["num_heads"], num_layers=blocks, encoder_layers=12,
        encoder_channels=768, hidden=hidden, num_tokens=32, token_width=768, class_range=24,
        class_interval=4,
    )  # fmt: skip
    part = build_audio_part(audio, comfy.ops.disable_weight_init, device=place, dtype=dtype)
    model.requires_grad_(requires_grad=False)
    attached = AttachedAudio(name="real size", family="multitalk", config=audio)
    return attach_audio(
        comfy.model_patcher.ModelPatcher(model, device, place),
        comfy.model_patcher.ModelPatcher(part, device, place),
        attached,
    )


def make_denoiser(model, step, text_width=4096):
    """The pack's denoiser of a window, and a request for one that follows another."""
    import comfy.utils

    from pack.multitalk.config import WindowSize
    from pack.multitalk.generate import Motion, WindowRequest
    from pack.multitalk.guidance import plan_guidance
    from pack.multitalk.settings import GuidanceSettings, RunSettings
    from pack.nodes.sampling.denoiser import RunInputs, window_denoiser
    from pack.nodes.sampling.economy import Economy

    comfy.utils.PROGRESS_BAR_ENABLED = False
    cells = step.height // 8, step.width // 8
    shape = (1, 16, step.latent_frames, *cells)
    guided = GuidanceSettings(
        steps=step.steps, shift=7.0, text_guidance=step.text, audio_guidance=step.audio
    )
    settings = RunSettings(
        height=step.height, width=step.width, guidance=guided, family="multitalk", seed=1,
        size=WindowSize(window=step.frames, overlap=4 * step.known - 3), sampler="euler",
    )  # fmt: skip
    text = [[torch.randn(1, step.text_rows, text_width), {}]]
    inputs = RunInputs(
        model=model, vae=None, clip_vision=None, positive=text, negative=text,
        image=torch.zeros(1, 1, 1, 3), cast=None,
    )  # fmt: skip
    economy = Economy(torch.device("cpu"), 2)
    economy.single_passes = not step.together
    masks = torch.zeros(step.speakers + 1, *cells) if step.speakers > 1 else None
    if masks is not None:
        masks[0, :, : cells[1] // 2], masks[1, :, cells[1] // 2 :] = 1, 1
    denoise = window_denoiser(
        inputs,
        settings,
        masks,
        SimpleNamespace(callback=lambda _window: lambda *_step: None),
        guidance=plan_guidance(step.text, step.audio),
        cache=None,
        economy=economy,
    )
    begin = (1, 16, step.known, *cells)
    request = WindowRequest(
        index=1,
        noise=torch.randn(shape),
        condition=torch.randn(shape),
        known_latent_frames=step.known,
        picture_embedding=SimpleNamespace(penultimate_hidden_states=torch.randn(1, 257, 1280)),
        speech=torch.randn(step.speakers, step.frames, 5, 12, 768),
        motion=Motion(latents=torch.randn(begin), noise=lambda: torch.randn(begin)),
    )
    return denoise, request

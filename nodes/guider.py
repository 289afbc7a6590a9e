"""One window for the host's own sampler nodes: the guider as a node.

What samples is imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..multitalk.config import VAE_SPACE, VAE_TIME, ApgConfig, WindowSize
from ..multitalk.generate import Motion
from ..multitalk.guidance import plan_guidance
from ..multitalk.sound.wav2vec2 import Speech
from ..multitalk.speakers import latent_masks
from ..multitalk.windows import WindowPlan, window_speech
from .loading.audio_hooks import attached_audio
from .sampling.lazy import check_visible, check_voices, missing_lazy, plain
from .sockets import to_masks
from .values import check_inputs
from .widgets import advanced_inputs, guidance_inputs, media_inputs, model_inputs

if TYPE_CHECKING:
    from .sampling.talk_guider import AudioInputs

LAZY = ("model", "positive", "negative")


class MultiTalkGuider(io.ComfyNode):
    """Guidance for the host's own sampler nodes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        model, _, positive, negative, _ = model_inputs()
        positive.tooltip = "From the host's WAN Image To Video, with a start image."
        _, speech, masks = media_inputs()
        return io.Schema(
            node_id="MultiTalkGuider",
            display_name="MultiTalk Guider",
            category="MultiTalk/sampling",
            description="One window for the host's Sampler Custom Advanced: text and audio "
            "guidance in as few passes as possible. MultiTalk Sampler makes whole videos.",
            search_aliases=["cfg", "audio guidance", "custom sampler"],
            inputs=[
                model,
                positive,
                negative,
                speech,
                masks,
                *guidance_inputs(),
                io.Int.Input(
                    "start_frame",
                    default=0,
                    min=0,
                    max=1_000_000,
                    tooltip="First frame of the speech that this window hears; 25 frames are a "
                    "second.",
                ),
                *(i for i in advanced_inputs() if i.id in ("audio_strength", "apg")),
            ],
            outputs=[
                io.Guider.Output(display_name="guider", tooltip="For Sampler Custom Advanced.")
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Check what needs no model, then ask for the models."""
        inputs = plain(inputs)
        check_inputs(inputs, "speech")
        check_voices(inputs["speech"], inputs.get("masks"))
        from .loading.model_files import check_files

        check_files(inputs["speech"], cls.hidden.dynprompt, cls.hidden.unique_id)
        return missing_lazy(inputs, LAZY)

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        """Make the guider of one window."""
        from .sampling.denoiser import empty_conditioning
        from .sampling.talk_guider import TalkGuider, with_text

        check_inputs(inputs, "speech", "model")
        model, positive = inputs["model"], inputs.get("positive") or []
        family, latent = attached_audio(model).family, start_latent(positive)
        audio = window_audio(inputs, latent)
        plan = plan_guidance(
            inputs["text_guidance"],
            inputs["audio_guidance"],
            apg=ApgConfig() if inputs.get("apg", False) else None,
        )
        begin = Motion(latents=latent[:, :, :1], noise=None)
        negative = inputs.get("negative") or with_text(positive, empty_conditioning(model))
        motion = begin if family == "infinitetalk" else None
        return io.NodeOutput(TalkGuider(model, positive, negative, audio, plan, motion=motion))


def start_latent(positive: list[Any]) -> Tensor:
    """Condition latent [1, 16, T, h, w] that the host's WAN Image To Video left in positive.

    Raises:
        ValueError: If there is none.
    """
    latent = positive[0][1].get("concat_latent_image") if positive else None
    if latent is None:
        raise ValueError(
            "positive carries no start image; WAN I2V needs one. Put the host's WAN Image To "
            "Video before this node, with start_image connected."
        )
    return latent


def window_audio(inputs: dict[str, Any], latent: Tensor) -> AudioInputs:
    """Speech and speakers of the window that `latent` [1, 16, T, h, w] belongs to."""
    from .sampling.talk_guider import AudioInputs
    from .sampling.video_run import speakers_and_tracks

    speech: Speech = inputs["speech"]
    masks = inputs.get("masks")
    rows, columns = (VAE_SPACE * side for side in latent.shape[-2:])
    tracks, used = speakers_and_tracks(
        speech, None if masks is None else to_masks(masks), torch.zeros(1, rows, columns, 3)
    )
    cells = None if used is None else latent_masks(used, rows, columns)
    if cells is not None:
        check_visible(speech, cells)
    return AudioInputs(
        speech=one_window(speech, tracks, inputs["start_frame"], latent.shape[2]),
        cells=cells,
        strength=inputs.get("audio_strength", 1.0),
    )


def one_window(speech: Speech, tracks: list[Tensor], start: int, latent_frames: int) -> Tensor:
    """Speech [S, F, 5, M, E] of a window of `latent_frames`, from frame `start` on."""
    frames = (latent_frames - 1) * VAE_TIME + 1
    plan = WindowPlan(
        size=WindowSize(window=frames, overlap=1),
        starts=(start,),
        num_frames=frames,
        last_window=frames,
        mirrored=(),
    )
    return window_speech(plan, 0, tracks, speech.silence)

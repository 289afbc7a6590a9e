"""One window for the host's own sampler nodes: the guider as a node.

What samples is imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io
from torch import Tensor

from ..multitalk.cast import check_voices
from ..multitalk.config import VAE_SPACE
from ..multitalk.generate import Motion
from ..multitalk.guidance import plan_guidance
from ..multitalk.windows import plan_one, window_speech
from .loading.audio_hooks import attached_audio, base_kind
from .sockets import to_masks
from .values import check_inputs, missing_lazy, plain
from .widgets import APG, AUDIO_STRENGTH, GUIDANCE, Widget, media_inputs, model_inputs, schema

if TYPE_CHECKING:
    from ..multitalk.config import BaseKind
    from .sampling.talk_guider import AudioInputs

logger = logging.getLogger("multitalk.nodes")

START_FRAME = Widget(
    "start_frame",
    "First frame of the speech that this window hears; 25 frames are a second.",
    default=0,
    limits=(0, 1_000_000),
)
_WIDGETS = (*GUIDANCE, START_FRAME, AUDIO_STRENGTH, APG)


class MultiTalkGuider(io.ComfyNode):
    """Guidance for the host's own sampler nodes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        model, _, positive, negative, _ = model_inputs()
        positive.tooltip = (
            "From the host's WAN Image To Video, with a start image; with a VACE base from "
            "WanVaceToVideo."
        )
        _, speech, masks = media_inputs()
        return schema(
            "MultiTalk Guider",
            "sampling",
            "One window for the host's Sampler Custom Advanced: text and audio "
            "guidance in as few passes as possible. MultiTalk Sampler makes whole videos.",
            search_aliases=["talking avatar", "lip sync", "audio guidance", "cfg"],
            inputs=[model, positive, negative, speech, masks, *_WIDGETS],
            outputs=[(io.Guider, "guider", "For Sampler Custom Advanced.")],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Check what needs no model, then ask for the models."""
        inputs = plain(inputs)
        check_inputs(inputs, "speech")
        masks = inputs.get("masks")
        check_voices(inputs["speech"], None if masks is None else to_masks(masks))
        from .sampling.run_setup import check_media_once

        check_media_once(inputs, cls.hidden)
        from .loading.model_files import check_files

        check_files(inputs["speech"], cls.hidden.dynprompt, cls.hidden.unique_id)
        return missing_lazy(inputs, "model", "positive", "negative")

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        """Make the guider of one window."""
        from .sampling.denoiser import empty_conditioning
        from .sampling.experts import talk_guider
        from .sampling.finite import check_texts
        from .sampling.other_nodes import check_other_nodes, check_sampling
        from .sampling.pass_cards import describe_cards
        from .sampling.talk_guider import with_text

        check_inputs(inputs, "speech", "model")
        check_texts(positive=inputs.get("positive"), negative=inputs.get("negative"))
        model, positive = inputs["model"], inputs.get("positive") or []
        family, kind = attached_audio(model).family, base_kind(model)
        latent, front = start_latent(positive, kind)
        check_sampling(model)
        apg = APG.read(inputs)
        for note in check_other_nodes(model, apg=apg is not None, step_cache=False):
            logger.info("[MultiTalk] %s", note)
        audio = replace(_window_audio(inputs, cls.hidden, latent), front=front)
        text_guidance, audio_guidance = (row.read(inputs) for row in GUIDANCE)
        plan = plan_guidance(text_guidance, audio_guidance, apg=apg)
        for note in describe_cards(model, plan):
            logger.info("[MultiTalk] %s", note)
        negative = inputs.get("negative") or with_text(positive, empty_conditioning(model))
        begin = Motion(latents=latent[:, :, :1], noise=None)
        motion = None if family == "multitalk" or kind == "control" else begin
        guider = talk_guider(model, positive, negative, audio, plan, motion=motion)
        return io.NodeOutput(guider)


def start_latent(positive: list[Any], kind: BaseKind = "image") -> tuple[Tensor, int]:
    """What tells a window's size, and how many latent frames of pictures come before it.

    That is the condition latent [1, 16, T, h, w] that the host's WAN Image To Video left in
    positive, or on VACE the kept half of the control of WanVaceToVideo.

    Raises:
        ValueError: If there is none.
    """
    if kind == "text":
        raise ValueError(
            "The base is a text-to-video one, and nothing here tells how long its window is. Use "
            "MultiTalk Sampler, which makes whole videos with it."
        )
    if kind == "control":
        from .sampling.control import read_control

        control = read_control(positive[0][1]) if positive else None
        if control is None:
            raise ValueError(
                "positive carries no control, from which a VACE base takes size and length. Put "
                "the host's WanVaceToVideo before this node; it needs no control_video."
            )
        return control.videos[0][:, :16, control.references :], control.references
    latent = positive[0][1].get("concat_latent_image") if positive else None
    if latent is None:
        raise ValueError(
            "positive carries no start image; WAN I2V needs one. Put the host's WAN Image To "
            "Video before this node, with start_image connected."
        )
    return latent, 0


def _window_audio(inputs: dict[str, Any], hidden: Any, latent: Tensor) -> AudioInputs:
    """Speech and speakers of the window that `latent` [1, 16, T, h, w] belongs to."""
    from .sampling.run_setup import cast_of
    from .sampling.talk_guider import AudioInputs

    num_latent_frames, rows, columns = latent.shape[2:]
    cast = cast_of(inputs, hidden, (VAE_SPACE * rows, VAE_SPACE * columns))
    plan = plan_one(START_FRAME.read(inputs), num_latent_frames)
    return AudioInputs(
        speech=window_speech(plan, 0, cast.tracks, cast.speech.silence),
        cells=cast.cells,
        strength=AUDIO_STRENGTH.read(inputs),
    )

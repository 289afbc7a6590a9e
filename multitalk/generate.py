"""The window loop: yields finished frames, window by window.

What touches a model comes in as callables, so the loop knows no host: `encode` and `decode` are the
VAE, `embed_picture` the CLIP vision encoder, `denoise` one whole sampling run.

All that a window needs of those before it is its `WindowState`. So a window can be made again, and
a video continued from any window whose state was kept, with the same bits.

Source: sampling.md sections 4 (MultiTalk), 11 (InfiniteTalk) and 12 (other bases), flashtalk.md
sections 4 and 5, decisions.md 2, 3, 9, 30, 40, 41 and 50.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .color import color_distance, color_statistics, match_statistics
from .config import LATENT_CHANNELS, BaseKind, Family
from .drift import correct_drift_, measure_look
from .ending import end_condition, known_end_frames, match_towards, still_latents
from .finite import check_finite, in_window
from .frames import count_latent_frames, latent_size, pad_with_grey, to_bytes
from .noise import NoiseSource
from .settings import DriftControl
from .windows import WindowPlan, window_speech

_ADVICE = (
    "Numbers may have grown too large for the format of the VAE: start ComfyUI with --fp32-vae or "
    "--bf16-vae, or choose another VAE."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """Latents that a window must begin with."""

    latents: Tensor  # [1, 16, n, h, w], raw VAE latents
    noise: Callable[[], Tensor] | None  # fresh noise per model call (MultiTalk), None: clean


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRequest:
    """Everything one sampling run needs that differs between windows."""

    index: int
    noise: Tensor  # [1, 16, T, h, w] float32; T is larger by `Models.front` frames
    condition: Tensor  # [1, 16, T, h, w] raw VAE latents: known frames, then grey, then an end
    known_latent_frames: int  # leading latent frames of `condition` that are no grey
    picture_embedding: object  # what `embed_picture` gave
    speech: Tensor  # [S, F, 5, M, E]
    motion: Motion | None
    # Fresh noise [1, 16, T, h, w] to mix in after a step (FlashTalk); None: the sampler's own.
    step_noise: Callable[[], Tensor] | None = None
    known_end_frames: int = 0  # frames at the end of the window that show the end image
    # Raw VAE latents [1, 16, n, h, w] that the window must end with; None: the condition tells all.
    end_latents: Tensor | None = None
    picture: Tensor | None = None  # [1, H, W, 3] that the window is to look like
    # Raw VAE latents [1, 16, T', h, w] of the source, T' without `Models.front`, that noise is laid
    # over; None: the window begins as pure noise.
    start: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowState:
    """What the next window needs of all windows up to this one."""

    index: int  # of the window that left it
    tail: Tensor  # [O, H, W, 3] its last frames, exact
    noise: Tensor  # [n] uint8, where the stream of random numbers stands
    colors: Tensor  # [index+1, 2, 3] Lab statistics of each window as it was decoded
    look: Tensor | None = None  # [H, W, 4] of the first window; None: drift is not corrected


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedWindow:
    """New frames of one window, in order."""

    index: int
    start: int  # number of the first of these frames in the video
    frames: Tensor  # [F, H, W, 3] in 0..1
    state: WindowState
    drift: float  # color distance to the picture as decoded, in Lab units
    left_drift: float  # the same after colors were matched, and drift taken back


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoWindow:
    """New frames of one window as they go into the video."""

    index: int
    start: int  # number of the first of these frames in the video
    frames: Tensor  # [F, H, W, 3] uint8
    drift: float  # color distance to the picture as decoded, in Lab units
    left_drift: float  # the same after colors were matched, and drift taken back
    made: bool  # in this run; False: it was there already


def as_video_window(window: FinishedWindow) -> VideoWindow:
    """Round a finished window to 8 bits."""
    return VideoWindow(
        index=window.index,
        start=window.start,
        frames=to_bytes(window.frames),
        drift=window.drift,
        left_drift=window.left_drift,
        made=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """The callables that touch models."""

    encode: Callable[[Tensor], Tensor]  # frames [F, H, W, 3] -> raw latents [1, 16, T, h, w]
    decode: Callable[[Tensor], Tensor]  # raw latents -> frames
    embed_picture: Callable[[Tensor], object]  # frame [1, H, W, 3] -> whatever `denoise` takes
    denoise: Callable[[WindowRequest], Tensor]  # -> raw latents [1, 16, T, h, w]
    # What `embed_picture` gave of a picture and of the end image, as one. None: the network was not
    # trained to end on a picture; it takes that of the first alone, and latents of the end are put
    # in place.
    join_embeddings: Callable[[object, object], object] | None = None
    device: torch.device | None = None  # where colors are matched; None: where frames are
    base: BaseKind = "image"
    front: int = 0  # latent frames of reference pictures that the network takes before a window's


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What the video shows and hears."""

    source: Callable[[int], Tensor]  # number of a source frame -> frame [1, H, W, 3] in 0..1 at
    # the video's size; a picture gives itself for every number
    tracks: Sequence[Tensor]  # features [F_s, M, E] per speaker
    silence: Tensor | None  # [M, E] of encoded silence, or None in reference mode
    end: Tensor | None = None  # [1, H, W, 3] in 0..1 that the last frame shows; None: it is free
    # [O, H, W, 3] in 0..1: last frames of a video that this one goes on from, as many as windows
    # overlap, with a plan that leads by as many; None: it begins at the picture.
    before: Tensor | None = None
    begins_from_source: bool = False  # windows begin from the noised source, not from pure noise


Attempt = Callable[[Callable[[], FinishedWindow]], FinishedWindow]


def generate(
    plan: WindowPlan,
    scene: Scene,
    models: Models,
    noise: NoiseSource,
    *,
    family: Family,
    drift: DriftControl,
    after: WindowState | None = None,
    attempt: Attempt = lambda make: make(),
) -> Iterator[FinishedWindow]:
    """Make a video window by window; together the windows give exactly `plan.num_frames`.

    MultiTalk continues from the last frames of the previous window, InfiniteTalk conditions every
    window on a frame of the source, FlashTalk on the picture. Where the network takes no image
    beside the noise, every family continues from the last frames, and with text alone the first
    window has none and sets the colors. With an end image the plan is one of `end_with_video`.
    `after` is the state of the last window that is there already; None begins at the picture.
    `attempt` calls what makes a window, and may call it again after a failure: it then makes the
    same window from the same random numbers. Windows of a shot are numbered as in its film.

    Raises:
        NotFiniteError: If a window holds NaN or infinite values: at the first one, with the stage.
    """
    maker = _WindowMaker(plan, scene, models, noise, family, drift)
    state = after
    first = 0 if after is None else after.index + 1 - plan.earlier
    for index in range(first, plan.num_windows):
        with in_window(plan.earlier + index, plan.in_all or plan.num_windows):
            window = attempt(partial(maker.make, index, state))
        state = window.state
        yield window


class _WindowMaker:
    """Makes any window from the state that the one before left."""

    def __init__(
        self,
        plan: WindowPlan,
        scene: Scene,
        models: Models,
        noise: NoiseSource,
        family: Family,
        drift: DriftControl,
    ) -> None:
        self._plan, self._scene, self._models, self._noise = plan, scene, models, noise
        self._family, self._follows, self._drift = family, family == "multitalk", drift
        self._first, self._begin = scene.source(0), noise.state()
        self._picture_colors = color_statistics(self._first, models.device)
        self._still: tuple[int, Tensor, Tensor] | None = None  # window, picture, its latents
        self._seen: tuple[Tensor, object] | None = None  # picture, its embedding

    def make(self, index: int, state: WindowState | None) -> FinishedWindow:
        """Window `index` of the plan from the state after the window before; None: the first."""
        self._noise.restore(self._begin if state is None else state.noise)
        plan, models = self._plan, self._models
        begin = self._first if self._scene.before is None else self._scene.before
        tail = begin if state is None else state.tail
        picture = self._first if self._follows else self._source(plan.begin + plan.starts[index])
        condition = tail if self._follows or models.base != "image" else picture
        latents = self._sample(index, tail, condition, picture)
        decoded = models.decode(latents)[: plan.used(index)]
        check_finite(decoded, "decoded frames of the VAE", _ADVICE)
        own = color_statistics(decoded, models.device)
        kept = plan.kept(index)
        # Frames that are neither new nor the beginning of the next window need no color.
        skipped = max(0, min(kept.start, len(decoded) - plan.size.overlap))
        colors = torch.cat([*([] if state is None else [state.colors]), own.cpu()[None]])
        first = colors[0].to(own) if models.base == "text" else self._picture_colors
        target, end = self._target(first, picture, state), self._end(index)
        strength = self._drift.color_strength
        if end is None:
            frames = match_statistics(decoded[skipped:], target, strength=strength)
        else:
            frames = match_towards(
                decoded[skipped:], target, end, plan, skipped=skipped, strength=strength
            )
        look = None if state is None else state.look
        if end is None:
            look = self._hold(frames, look)
        return FinishedWindow(
            index=plan.earlier + index,
            start=plan.begin + plan.starts[index] + kept.start,
            frames=frames[kept.start - skipped : kept.stop - skipped],
            state=WindowState(
                index=plan.earlier + index,
                tail=frames[-plan.size.overlap :].clone(),
                noise=self._noise.state(),
                colors=colors,
                look=look,
            ),
            drift=color_distance(own, first),
            left_drift=color_distance(color_statistics(frames, models.device), first),
        )

    def _hold(self, frames: Tensor, look: Tensor | None) -> Tensor | None:
        """Take drift back from frames, in place; gives the look of the first window, kept for all.

        `look` is None for the first window, which is not changed.
        """
        if self._drift.correction == 0:
            return None
        if look is None:
            return measure_look(frames).cpu()
        correct_drift_(frames, look, strength=self._drift.correction)
        return look

    def _sample(self, index: int, tail: Tensor, condition: Tensor, picture: Tensor) -> Tensor:
        """Raw latents [1, 16, T, h, w] of window `index`."""
        plan, models = self._plan, self._models
        window = plan.window_frames(index)
        end, pinned = self._end(index), models.join_embeddings is None
        held = 0 if end is None else known_end_frames(plan, whole=pinned)
        if end is None:
            latents = self._encode_condition(condition, window)
        else:
            latents = self._encode(end_condition(condition, end, plan, held))
        still = None if end is None or not pinned else still_latents(end, held, self._encode)
        motion = self._motion(index, tail, condition, latents)
        height, width = self._first.shape[1:3]
        num_latent_frames = models.front + count_latent_frames(window)
        shape = (1, LATENT_CHANNELS, num_latent_frames, *latent_size(height, width))
        seen = condition[-1:] if self._drift.image_tokens == "window" else self._first
        fresh = partial(self._noise.step, shape) if self._family == "flashtalk" else None
        request = WindowRequest(
            index=plan.earlier + index,
            noise=self._noise.window(shape),
            condition=latents,
            known_latent_frames=count_latent_frames(len(condition)),
            picture_embedding=self._embed(seen, end),
            speech=window_speech(plan, index, self._scene.tracks, self._scene.silence),
            motion=motion,
            step_noise=fresh,
            known_end_frames=held,
            end_latents=still,
            picture=picture,
            start=self._start(index),
        )
        final = models.denoise(request)
        check_finite(final, "result of the network", "Use weights in another format.")
        if motion is not None and motion.noise is not None:
            motion.noise()  # the reference draws once more after the last step
        if fresh is not None:
            fresh()  # and so does this one, with weight 0
        return final

    def _start(self, index: int) -> Tensor | None:
        """Latents of the source frames of window `index`, if it begins from them."""
        if not self._scene.begins_from_source:
            return None
        begin, length = self._plan.starts[index], self._plan.window_frames(index)
        return self._encode(torch.cat([self._scene.source(begin + n) for n in range(length)]))

    def _end(self, index: int) -> Tensor | None:
        """The end image [1, H, W, 3], if window `index` comes to one."""
        return self._scene.end if index == self._plan.num_windows - 1 else None

    def _source(self, number: int) -> Tensor:
        """The source frame [1, H, W, 3] that a window is conditioned on."""
        return self._first if self._family == "flashtalk" else self._scene.source(max(0, number))

    def _motion(
        self, index: int, tail: Tensor, condition: Tensor, latents: Tensor
    ) -> Motion | None:
        """Latents that window `index` begins with; see the table in sampling.md section 11."""
        begins = index == 0 and self._scene.before is None
        if begins and self._models.base == "text":
            return None
        if self._follows:
            if begins:
                return None
            begin = latents[:, :, : count_latent_frames(len(condition))]
            return Motion(latents=begin, noise=lambda: self._noise.motion(begin.shape))
        if self._models.base != "image":
            return Motion(latents=latents[:, :, : count_latent_frames(len(condition))], noise=None)
        if begins:
            # The VAE is causal: the first latent frame is the condition frame encoded alone.
            return Motion(latents=latents[:, :, :1], noise=None)
        return Motion(latents=self._encode(tail), noise=None)

    def _encode_condition(self, condition: Tensor, window: int) -> Tensor:
        """Latents of a condition before grey; a still picture is encoded once for its windows."""
        if self._models.base == "text":  # which takes motion alone
            return self._encode(condition)
        if len(condition) > 1:
            return self._encode(pad_with_grey(condition, window))
        known = self._still
        if known is None or known[0] != window or not torch.equal(known[1], condition):
            known = self._still = (
                window, condition, self._encode(pad_with_grey(condition, window)),
            )  # fmt: skip
        return known[2]

    def _embed(self, seen: Tensor, end: Tensor | None) -> object:
        """CLIP tokens of a picture [1, H, W, 3]; those of a still one are made once for a run.

        Those of the end image come along where the network takes them.
        """
        if self._seen is None or not torch.equal(self._seen[0], seen):
            self._seen = seen, self._models.embed_picture(seen)
        join = self._models.join_embeddings
        if end is None or join is None:
            return self._seen[1]
        return join(self._seen[1], self._models.embed_picture(end))

    def _encode(self, frames: Tensor) -> Tensor:
        latents = self._models.encode(frames)
        check_finite(latents, "picture as the VAE encodes it", _ADVICE)
        return latents

    def _target(self, first: Tensor, picture: Tensor, state: WindowState | None) -> Tensor:
        """Colors [2, 3] that this window is matched to; `first` are those that count at first."""
        sources = not self._follows and self._models.base != "text"
        if self._drift.color_reference == "source frame" and sources:
            return color_statistics(picture, self._models.device)
        if self._drift.color_reference == "running mean" and state is not None:
            return torch.cat([first[None], state.colors.to(first)]).mean(0)
        return first

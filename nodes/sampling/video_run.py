"""One run of a sampling node: the engine's window loop on host models, windows kept on disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import comfy.model_management
import folder_paths
import torch
from torch import Tensor

from ...multitalk.config import FRAME_RATE
from ...multitalk.film import generate_film, plan_film
from ...multitalk.first_look import cut_window, shown_plan
from ...multitalk.frames import from_bytes
from ...multitalk.generate import FinishedWindow, Models, VideoWindow, WindowState, as_video_window
from ...multitalk.guidance import plan_guidance
from ...multitalk.model.memory import advise_memory, plan_memory, tell_memory, told
from ...multitalk.noise import SeededNoise
from ...multitalk.runs.folder import RunFolder, continue_windows
from ...multitalk.runs.report import RunReport, clock, describe_look
from ...multitalk.runs.writer import Writer
from ...multitalk.settings import RunSettings
from ..host import GIB, free_memory, memory_peak, start_memory_peak
from ..loading.audio_hooks import base_kind
from ..progress import StepProgress, send_text
from .attention_choice import AttentionChoice
from .block_cache import RunCache
from .denoiser import RunInputs, embed_picture, empty_conditioning, window_denoiser
from .economy import Economy
from .end_image import join_embeddings, joins_pictures
from .film import by_shot, film_scenes
from .guidance_hooks import passes_of
from .memory import run_size
from .scene import window_prompts

if TYPE_CHECKING:
    from .identity import RunIdentity

logger = logging.getLogger("multitalk.nodes")

FRAMES_AT_ONCE = 32  # when 8 bit frames become the output
RUNS_FOLDER = "multitalk_runs"  # in the output folder
KEPT_FOR_THE_WHOLE = "its windows stay: set first_seconds to 0, and the whole goes on after them"


class VideoRun:
    """One video: plan, windows one after another, report."""

    def __init__(
        self,
        inputs: RunInputs,
        settings: RunSettings,
        *,
        node_id: str,
        identity: RunIdentity | None,
        keep_finished: bool,
        first_seconds: float = 0.0,
        to_file: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        """Plan the video.

        Args:
            inputs: Models and media.
            settings: Numbers and choices.
            node_id: Node that shows progress.
            identity: All that the result depends on: finished windows go to disk, and the run goes
                on from those that are there. None: nothing is kept.
            keep_finished: The folder stays when the video is done.
            first_seconds: Only so much of the video is made; 0: all.
            to_file: Windows go into a video that the node shows, so no previews are sent.
            notes: What is to be said of the media, for the report.
        """
        from ..loading.loras import count_changed_weights  # reads weights: not when the host starts

        speech = inputs.cast.speech
        whole = plan_film(
            settings,
            speech.num_frames,
            speech.num_speakers,
            cuts=[shot.begin for shot in inputs.shots],
            has_end=inputs.end_image is not None,
            continues=inputs.before is not None,
        )
        self._whole, self.plan = whole, shown_plan(whole, first_seconds)
        self._pace: tuple[int, float] | None = None  # first window that was made, its seconds
        if inputs.scene is not None:
            empty = empty_conditioning(inputs.model)
            prompts, said = window_prompts(inputs.scene, whole, inputs.positive, empty)
            inputs, notes = replace(inputs, prompts=prompts), [*notes, *said]
        self._inputs, self._settings, self._node_id = inputs, settings, node_id
        self._identity, self._keep_finished = identity, keep_finished
        self._to_file, self._begin = to_file, time.monotonic()
        text, audio = settings.guidance.text_guidance, settings.guidance.audio_guidance
        self._guidance = plan_guidance(text, audio, apg=settings.apg)
        self._cache = None if settings.step_cache is None else RunCache(settings.step_cache)
        self._economy = Economy(inputs.model.load_device, self.plan.num_windows)
        self._folder: RunFolder | None = None
        self.writer = Writer()  # of what is finished, while the next window is made
        self.report = RunReport(
            plan=self.plan,
            settings=settings,
            num_speakers=speech.num_speakers,
            num_passes=len(passes_of(self._guidance, inputs.model.model_options)),
            lora_keys=count_changed_weights(inputs.model),
            notes=list(notes),
        )

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the video."""
        return self._settings.height, self._settings.width

    @property
    def folder(self) -> Path | None:
        """The run folder while windows are being made, if they are kept."""
        return None if self._folder is None else self._folder.path

    @property
    def num_there(self) -> int:
        """Windows that an earlier run left on disk."""
        return 0 if self._folder is None else len(self._folder.finished)

    def __enter__(self) -> VideoRun:
        """Open the run folder, if windows are kept."""
        size = run_size(self._inputs, self._settings, self.plan, self._guidance)
        self.report.memory = tell_memory(size)
        logger.info("[MultiTalk] %s; %s", self.report.headline(), self.report.memory)
        step = told(plan_memory(size).step)
        said = [f"{self.report.short_plan()}; a step takes about {step} of memory beside the model"]
        total = comfy.model_management.get_total_memory(self._inputs.model.load_device)
        if advice := advise_memory(size, int(total), frames_held=not self._to_file):
            self.report.notes.append(advice)
            said.append(advice)
        for note in self.report.notes:
            logger.info("[MultiTalk] %s", note)
        start_memory_peak(self._inputs.model.load_device)
        if self._identity is not None:
            root = Path(folder_paths.get_output_directory()) / RUNS_FOLDER
            self._folder = RunFolder(root, self._identity.parts, self._whole.num_windows)
            notes = [*self._identity.notes, *self._folder.notes]
            for note in notes:
                logger.info("[MultiTalk] %s", note)
            self.report.notes += notes
            said += notes
        send_text(";\n".join(said), self._node_id)
        return self

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        """Close the run folder; it stays unless the video was `done`."""
        self.writer.close()
        if self._folder is not None:
            self._folder.close()
        stop = comfy.model_management.InterruptProcessingException
        if error is not None and isinstance(error, stop):
            # Said under the node, as the words of other errors are.
            kept = self._folder is not None
            error.args = (self.report.stopped(kept=kept, in_file=self._to_file),)

    def windows(self) -> Iterator[VideoWindow]:
        """All windows in order: those on disk, the others made.

        What is given to the `writer` when a window comes is done while the next one is made. All of
        it is done when this ends, in whatever way.

        Raises:
            OSError: If the disk refuses a window; the sentence says what is safe.
        """
        try:
            yield from self._windows()
            self.writer.wait()
        except BaseException:
            self.writer.settle()
            raise

    def _windows(self) -> Iterator[VideoWindow]:
        steps, num_windows = self._settings.guidance.steps, self.plan.num_windows
        progress = StepProgress(
            self._inputs.model,
            steps,
            num_windows,
            self._node_id,
            previews=not self._to_file,
            each_step=self.writer.check,
        )
        models = self._models(progress)

        def make(after: WindowState | None) -> Iterator[FinishedWindow]:
            progress.skip(0 if after is None else after.index + 1)
            return self._generate(models, after)

        if self._folder is None:
            windows = self._unsaved(make(None))
        else:
            windows = continue_windows(self._folder, make, self.writer)
        began = time.monotonic()
        for window in islice(windows, num_windows):
            if window.made and self._pace is None:
                self._pace = window.index + 1, time.monotonic() - began
            began, window = time.monotonic(), cut_window(window, self.plan.num_frames)
            self.writer.add(partial(self.report.add, window))
            if len(window.frames):
                progress.show(window.index, window.frames[len(window.frames) // 2])
            yield window

    def _unsaved(self, made: Iterator[FinishedWindow]) -> Iterator[VideoWindow]:
        for window in made:
            shown = as_video_window(window)
            self.writer.wait()
            yield shown

    def done(self) -> None:
        """Everything is where it should be: complete the report, remove the run folder."""
        if self.plan.num_frames < self._whole.num_frames:
            self.report.notes += [describe_look(self.plan, self._whole, self._pace)]
        self.report.notes += self._economy.notes
        self.report.peak_bytes = memory_peak(self._inputs.model.load_device)
        if self._cache is not None and self._cache.plan is not None:
            self.report.reused_steps = self._cache.plan.num_reused
        if self._folder is not None:
            if not self._folder.path.is_dir():
                self.report.notes.append("the run folder was deleted while the run went on")
            elif self.plan.num_frames < self._whole.num_frames:
                self.report.notes.append(KEPT_FOR_THE_WHOLE)
            elif self._keep_finished:
                self.report.notes.append(f"the finished windows stay in {self._folder.path.name}")
            else:
                self._folder.remove()
        lines = (line.strip() for line in self.report.text().splitlines())
        logger.info("[MultiTalk] %s", "; ".join(lines))
        send_text(self.report.done(time.monotonic() - self._begin), self._node_id)

    def _generate(self, models: Models, after: WindowState | None) -> Iterator[FinishedWindow]:
        inputs = self._inputs
        return generate_film(
            self._whole,
            film_scenes(
                inputs.cast,
                inputs.image,
                inputs.shots,
                self.size_px,
                end=inputs.end_image,
                before=inputs.before,
                begins_from_source=self._settings.start_strength < 1,
            ),
            models,
            SeededNoise(self._settings.seed),
            family=self._settings.family,
            drift=self._settings.drift,
            after=after,
            attempt=self._economy.attempt,
        )

    def _models(self, progress: StepProgress) -> Models:
        inputs, economy = self._inputs, self._economy

        def encode(frames: Tensor) -> Tensor:
            progress.preparing()
            return economy.encode(inputs.vae, frames)

        def decode(latents: Tensor) -> Tensor:
            progress.decoding()
            return economy.decode(inputs.vae, latents)

        attention = AttentionChoice(self.folder, economy.note_once)
        of_shots = [
            window_denoiser(
                inputs,
                self._settings,
                cast.cells,
                progress,
                guidance=self._guidance,
                cache=self._cache,
                economy=economy,
                attention=attention,
                gate=cast.gate,
            )
            for cast in (inputs.cast, *(shot.cast for shot in inputs.shots))
        ]
        return Models(
            encode=encode,
            decode=decode,
            embed_picture=lambda frame: embed_picture(inputs.clip_vision, frame),
            denoise=by_shot(self._whole, of_shots),
            join_embeddings=join_embeddings if joins_pictures(inputs.model) else None,
            device=inputs.model.load_device,
            base=base_kind(inputs.model),
            front=0 if inputs.control is None else inputs.control.front,
        )


def check_frames(num_frames: int, height: int, width: int) -> None:
    """Refuse a video whose frames the memory is too small for, before anything is sampled.

    Raises:
        ValueError: With what it needs.
    """
    kind = comfy.model_management.intermediate_dtype()
    needed, free = num_frames * height * width * 3 * (1 + kind.itemsize), free_memory()
    if needed > free:
        raise ValueError(
            f"The video has {num_frames} frames of {width} x {height} "
            f"({clock(num_frames / FRAME_RATE)}); all of them at once need about "
            f"{needed / GIB:.1f} GiB of memory, and "
            f"{free / GIB:.1f} GiB are free. Use MultiTalk Sample To Video, whose memory does not "
            "grow, or a shorter sound."
        )


def sample_video(run: VideoRun) -> Tensor:
    """All frames of an open run, [num_frames, H, W, 3] in 0..1.

    They are of the host's intermediate device and dtype, and multiples of 1/255, because they are
    held as 8 bit until all are there.
    """
    size = (run.plan.num_frames, *run.size_px, 3)
    held = torch.empty(size, dtype=torch.uint8)  # in one piece: many small ones leave holes
    for window in run.windows():
        held[window.start : window.start + len(window.frames)] = window.frames
    device = comfy.model_management.intermediate_device()
    frames = torch.empty(size, device=device, dtype=comfy.model_management.intermediate_dtype())
    for whole, part in zip(frames.split(FRAMES_AT_ONCE), held.split(FRAMES_AT_ONCE), strict=True):
        whole.copy_(from_bytes(part))
    return frames

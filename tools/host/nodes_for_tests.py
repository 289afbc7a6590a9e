"""Test-only nodes: sounds and masks of any kind, stand-ins for big files, counted loaders."""

from __future__ import annotations

from types import SimpleNamespace

import comfy.patcher_extension
import comfy.sd
import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io

EXECUTED: list[str] = []  # names of the counted loaders that really ran
SAVED_FRAMES: list[torch.Tensor] = []
PASSES: list[int] = []  # rows of every call of the network
CALLS: list[object] = []
TROUBLE: dict[str, tuple[int, int, BaseException]] = {}
VELOCITIES: list[torch.Tensor] = []  # what it gave: the first since a test emptied this


class TestSound(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestSound",
            inputs=[
                io.Int.Input("samples", default=16000, min=0, max=10_000_000),
                io.Int.Input("rate", default=16000, min=1, max=200_000),
                io.Combo.Input("kind", options=["noise", "silence", "nan", "loud", "inverted"]),
                io.Int.Input("seed", default=0),
                io.Int.Input("channels", default=1, min=1, max=9),
            ],
            outputs=[io.Audio.Output()],
        )

    @classmethod
    def execute(cls, samples, rate, kind="noise", seed=0, channels=1):
        generator = torch.Generator().manual_seed(seed)
        waveform = torch.randn(1, channels, samples, generator=generator) * 0.1
        if kind in ("silence", "nan"):
            waveform = torch.zeros_like(waveform)
        if kind == "loud":
            waveform *= 1.54 / waveform.abs().max()
        if kind == "inverted":
            waveform[:, 1] = -waveform[:, 0]
        if kind == "nan":
            waveform[..., 0] = float("nan")
        return io.NodeOutput({"waveform": waveform, "sample_rate": rate})


class TestPicture(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestPicture",
            inputs=[
                *(io.Int.Input(name, default=64) for name in ("width", "height")),
                io.Int.Input("frames", default=1),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, width, height, frames):
        generator = torch.Generator().manual_seed(1)
        return io.NodeOutput(torch.rand(frames, height, width, 3, generator=generator))


class TestMasks(io.ComfyNode):
    """Rectangles "x,y,w,h;..." as a MASK batch, may be empty or overlap."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestMasks",
            inputs=[
                io.String.Input("boxes"),
                *(io.Int.Input(name, default=64) for name in ("width", "height")),
            ],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, boxes, width, height):
        parts = [[int(v) for v in box.split(",")] for box in boxes.split(";")]
        masks = torch.zeros(len(parts), height, width)
        for mask, (x, y, w, h) in zip(masks, parts, strict=True):
            mask[y : y + h, x : x + w] = 1
        return io.NodeOutput(masks)


class TestCountedModel(io.ComfyNode):
    """The host's diffusion model loader, counted."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestCountedModel",
            inputs=[
                io.Combo.Input("name", options=folder_paths.get_filename_list("diffusion_models"))
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, name):
        EXECUTED.append("model")
        path = folder_paths.get_full_path_or_raise("diffusion_models", name)
        return io.NodeOutput(comfy.sd.load_diffusion_model(path))


class TestCountPasses(io.ComfyNode):
    """Counts rows that go through the network, without changing anything."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestCountPasses",
            inputs=[io.Model.Input("model")],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model):
        clone = model.clone()
        place = comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL
        clone.add_wrapper_with_key(place, "test", count_rows)
        return io.NodeOutput(clone)


def count_rows(executor, x, *args, **kwargs):
    PASSES.append(len(x))
    return executor(x, *args, **kwargs)


class TestTrouble(io.ComfyNode):
    """Lets calls of the network or of the VAE fail as `TROUBLE` says; the graph stays the same."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestTrouble",
            inputs=[io.Model.Input("model"), io.Vae.Input("vae")],
            outputs=[io.Model.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, model, vae):
        clone = model.clone()
        clone.add_wrapper_with_key(
            comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, "trouble", fail_in_network
        )
        return io.NodeOutput(clone, TroubledVae(vae))


class TroubledVae:
    """The VAE of the host, with each call noted and allowed to fail first."""

    def __init__(self, vae):
        self.vae = vae

    def __getattr__(self, name):
        value = getattr(self.vae, name)
        if name not in ("decode", "decode_tiled", "encode", "encode_tiled"):
            return value

        def call(*args, **kwargs):
            CALLS.append(name)
            fail(name)
            return value(*args, **kwargs)

        return call


def fail_in_network(executor, x, *args, **kwargs):
    CALLS.append(len(x))
    fail("network")
    return executor(x, *args, **kwargs)


def fail(place):
    """Raise what `TROUBLE` holds for a place: (calls that pass first, calls that fail, error)."""
    if place in TROUBLE:
        passing, failing, error = TROUBLE[place]
        TROUBLE[place] = (passing - 1, failing if passing > 0 else failing - 1, error)
        if passing <= 0 < failing:
            raise error


class TestKeepVelocity(io.ComfyNode):
    """Keeps the first output of the network, without changing anything."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestKeepVelocity",
            inputs=[io.Model.Input("model"), io.Int.Input("run", default=0)],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model, run=0):
        clone = model.clone()
        clone.add_wrapper_with_key(
            comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, "velocity", keep_velocity
        )
        return io.NodeOutput(clone)


def keep_velocity(executor, x, *args, **kwargs):
    velocity = executor(x, *args, **kwargs)
    if not VELOCITIES:
        VELOCITIES.append(velocity.float().clone())
    return velocity


class TestClipVision(io.ComfyNode):
    """A few CLIP tokens of the released width, the same for every picture."""

    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="TestClipVision", inputs=[], outputs=[io.ClipVision.Output()])

    @classmethod
    def execute(cls):
        tokens = torch.randn(1, 16, 1280, generator=torch.Generator().manual_seed(3))
        output = SimpleNamespace(penultimate_hidden_states=tokens)
        return io.NodeOutput(SimpleNamespace(encode_image=lambda image, crop: output))


class TestShowSpeech(io.ComfyNode):
    """An output node, so that a graph may end at the speech embedding."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestShowSpeech",
            inputs=[io.AnyType.Input("speech")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, speech):
        return io.NodeOutput()


class TestKeepFrames(io.ComfyNode):
    """Keeps what it gets where a test can see it, also without any cache."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestKeepFrames",
            inputs=[io.Image.Input("images")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images):
        SAVED_FRAMES.append(images.clone())
        return io.NodeOutput()


class TestText(io.ComfyNode):
    """CONDITIONING of the toy's text width."""

    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="TestText", inputs=[], outputs=[io.Conditioning.Output()])

    @classmethod
    def execute(cls):
        generator = torch.Generator().manual_seed(2)
        return io.NodeOutput([[torch.randn(1, 7, 64, generator=generator), {}]])


class TestBadValue(io.ComfyNode):
    """A picture, masks or a text with one value that is no finite number."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestBadValue",
            inputs=[io.String.Input("kind"), io.String.Input("value")],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def execute(cls, kind, value):
        shape = {"image": (1, 64, 64, 3), "masks": (1, 64, 64)}.get(kind, (1, 7, 64))
        values = torch.full(shape, 0.5)
        values.view(-1)[-1] = float(value)
        return io.NodeOutput([[values, {}]] if kind == "positive" else values)


class TestTextOfPicture(io.ComfyNode):
    """CONDITIONING of the toy's text width that depends on a picture."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestTextOfPicture",
            inputs=[io.Image.Input("image")],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, image):
        return io.NodeOutput([[image.mean() * torch.linspace(-1, 1, 64).expand(1, 7, 64), {}]])


class TestChoice(io.ComfyNode):
    """A text that fits any socket, so that the host compares it with no choices."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestChoice",
            inputs=[io.String.Input("text")],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def execute(cls, text):
        return io.NodeOutput(text)


class TestFirstModel(io.ComfyNode):
    """A switch that always takes its first MODEL and never asks for the second."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestFirstModel",
            inputs=[io.Model.Input("first"), io.Model.Input("second", lazy=True)],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def check_lazy_status(cls, **inputs):
        return []

    @classmethod
    def execute(cls, first, second=None):
        return io.NodeOutput(first)


class TestFlatVae(io.ComfyNode):
    """A VAE of no cost: colors averaged over cells, every latent frame repeated; counted."""

    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="TestFlatVae", inputs=[], outputs=[io.Vae.Output()])

    @classmethod
    def execute(cls):
        EXECUTED.append("vae")
        return io.NodeOutput(SimpleNamespace(encode=flat_encode, decode=flat_decode))


def flat_encode(frames):
    """[F, H, W, 3] -> [1, 16, T, h, w]."""
    cells = torch.nn.functional.avg_pool3d(frames.permute(3, 0, 1, 2)[None], (1, 8, 8))
    return cells[:, :, ::4].repeat(1, 6, 1, 1, 1)[:, :16] - 0.5


def flat_decode(latents):
    """[1, 16, T, h, w] -> [1, F, H, W, 3]."""
    cells = (latents[:, :3] + 0.5).clamp(0, 1)
    frames = torch.cat([cells[:, :, :1], cells[:, :, 1:].repeat_interleave(4, 2)], dim=2)
    frames = frames.repeat_interleave(8, 3).repeat_interleave(8, 4)
    return frames.permute(0, 2, 3, 4, 1)


class TestExtension(ComfyExtension):
    async def get_node_list(self):
        return [
            TestSound,
            TestPicture,
            TestMasks,
            TestCountedModel,
            TestCountPasses,
            TestTrouble,
            TestKeepVelocity,
            TestClipVision,
            TestShowSpeech,
            TestText,
            TestBadValue,
            TestTextOfPicture,
            TestChoice,
            TestFirstModel,
            TestKeepFrames,
            TestFlatVae,
        ]


async def comfy_entrypoint():
    return TestExtension()

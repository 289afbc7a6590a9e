"""Ranks that are threads of one process, with a process group of their own in memory."""

from __future__ import annotations

import datetime
import json
import queue
import threading

import torch
import torch.distributed

SIZES = {
    "dim": 128, "num_heads": 4, "num_layers": 2, "ffn_dim": 352, "freq_dim": 64,
    "text_dim": 64, "text_len": 16, "in_channels": 36, "out_channels": 16,
    "patch_size": [1, 2, 2], "clip_dim": 32, "norm_eps": 1e-6, "qk_norm_self": True,
    "audio_layers": 2, "audio_channels": 16, "audio_hidden": 32, "audio_token_dim": 32,
    "audio_tokens_per_speaker": 4, "speaker_class_range": 24, "speaker_class_interval": 4,
}  # fmt: skip
CPU = torch.device("cpu")


def replica_of(model):
    from pack.nodes.loading.audio_hooks import KEY
    from pack.nodes.parallel.calls import Replica

    parts = model.get_additional_models_with_key(KEY)
    return Replica(
        blocks=model.model.diffusion_model.blocks,
        part=parts[0].model if parts else None,
        options=model.model_options["transformer_options"],
        device=CPU,
    )


def gloo_exchange(store, rank, ranks):
    from pack.multitalk.parallel.exchange import Exchange

    gloo = torch.distributed.ProcessGroupGloo
    options = gloo._Options()
    options._devices = [gloo.create_device(hostname="127.0.0.1")]
    options._timeout = datetime.timedelta(seconds=20)
    return Exchange(gloo(store, rank, ranks, options))


class Ranks:
    """The first rank in the calling thread, each of the others in a thread of its own."""

    def __init__(self, count):
        store = torch.distributed.HashStore()
        self._headers = [queue.Queue() for _ in range(count - 1)]
        self._threads = [
            threading.Thread(target=self._serve, args=(store, rank, count), daemon=True)
            for rank in range(1, count)
        ]
        for thread in self._threads:
            thread.start()
        self.exchange = gloo_exchange(store, 0, count)
        self.errors = []

    def _serve(self, store, rank, count):
        from pack.nodes.parallel.calls import join_call

        exchange = gloo_exchange(store, rank, count)
        while (told := self._headers[rank - 1].get()) is not None:
            model, header = told
            try:
                with torch.inference_mode():
                    join_call(replica_of(model), json.loads(header), exchange)
            except Exception as error:  # noqa: BLE001 - close() shows it
                self.errors.append(error)

    def blocks(self, model):
        """What stands in the place of the blocks of a MODEL that all ranks share."""
        from pack.nodes.parallel.calls import lead_call

        network = model.model.diffusion_model

        def announce(header):
            for waiting in self._headers:
                waiting.put((model, json.dumps(header)))

        def run(args, _extra):
            return {"img": lead_call(network.blocks, args, self.exchange, announce)}

        def pass_on(args, _extra):
            return {"img": args["img"]}

        count = len(network.blocks)
        return {("double_block", i): pass_on if i else run for i in range(count)}

    def split(self, model):
        """A clone of a MODEL whose blocks run on all ranks."""
        clone = model.clone()
        for (name, index), run in self.blocks(clone).items():
            clone.set_model_patch_replace(run, "dit", name, index)
        return clone

    def close(self):
        for waiting in self._headers:
            waiting.put(None)
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors


def routing_of(part, speakers, grid):
    from pack.multitalk.model.audio_attention import rotation, speaker_axis
    from pack.nodes.loading.audio_hooks import Routing

    axis = speaker_axis(speakers, part.config)
    keys = torch.tensor(axis.key_positions).repeat_interleave(part.config.num_tokens)
    cells = grid[1] * grid[2] // 4
    masks = torch.zeros(speakers + 1, cells)
    masks[torch.arange(cells) * (speakers + 1) // cells, torch.arange(cells)] = 1
    width = part.config.dim // part.config.num_heads
    return Routing(token_masks=masks, key_rotation=rotation(keys, width), axis=axis)


def velocity(
    model, *, speakers, grid, ranks=None, batch=1, picture=True, gate=None, attention=None
):
    """One forward of the host's network with sound, of random inputs."""
    from pack.nodes.loading import audio_hooks

    part = model.get_additional_models_with_key(audio_hooks.KEY)[0].model
    options = {
        "patches": model.model_options["transformer_options"]["patches"],
        "wrappers": model.wrappers,
        audio_hooks.RUN: audio_hooks.AudioRun(
            parts={CPU: part},
            routings={CPU: routing_of(part, speakers, grid)} if speakers > 1 else {},
            strength=0.8,
            gates={} if gate is None else {CPU: gate},
        ),
    }
    if attention is not None:
        options[audio_hooks.OVERRIDE] = attention
    replaced = model.model_options["transformer_options"].get("patches_replace", {})
    replaced = dict(replaced) if ranks is None else {"dit": ranks.blocks(model)}
    options["patches_replace"] = replaced
    random = torch.Generator().manual_seed(speakers)

    def draw(*shape):
        return torch.randn(batch, *shape, generator=random)

    x, text, clip = draw(36, *grid), draw(16, 64), draw(5, 32) if picture else None
    tokens = draw(speakers, grid[0], 4, 32)
    timestep = torch.full((batch,), 500.0)
    with torch.inference_mode():
        network = model.model.diffusion_model
        return network(x, timestep, text, clip, None, options, **{audio_hooks.TOKENS: tokens})

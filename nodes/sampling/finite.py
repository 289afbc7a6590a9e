"""Where values that are no finite numbers come from: media and texts, or weights of models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ...multitalk.finite import NotFiniteError, check_finite, first_not_finite
from ..loading.experts import low_noise_of
from .contents import clean_weights

_AGAIN = "Download it again, or choose another file."
OF_PICTURE = "Save it again from its source, or look after the nodes that change it."
OF_SPEECH = (
    "The speech encoder makes them: its file may be damaged. Choose another one in MultiTalk Load "
    "Speech Encoder."
)
OF_TEXT = "The text encoder makes them: its file may be damaged. Choose another one."
OF_ENTRY = "Look after the nodes that make it."
OF_CLIP = "The file of CLIP vision may be damaged. Choose another one in Load CLIP Vision."
_OF_NETWORK = (
    "No weight is damaged; the numbers may have grown too large for the format of the base. Use a "
    "bf16 base instead of fp16, less LoRA strength, or lower guidance."
)


def check_media(
    image: Tensor | None, speech: Any, masks: Tensor | None, end_image: Tensor | None = None
) -> None:
    """Refuse pictures [F, H, W, 3], speech or masks with values that are no finite numbers.

    Raises:
        NotFiniteError: With which, how many, and what to do.
    """
    given = {"image": image, "end_image": end_image, "masks": masks}
    for socket, values in given.items():
        if isinstance(values, Tensor):
            check_finite(values, socket, OF_PICTURE)
    for values in (speech.features, speech.silence):
        if values is not None:
            check_finite(values, "speech", OF_SPEECH)


def check_texts(**conditionings: list[Any] | None) -> None:
    """Refuse host CONDITIONING, by socket, with values that are no finite numbers.

    Raises:
        NotFiniteError: With which, how many, and what to do.
    """
    for socket, conditioning in conditionings.items():
        for text, entry in conditioning or []:
            check_finite(text, socket, OF_TEXT)
            for name, values in entry.items():
                for tensor in _flat(values):
                    check_finite(tensor, f"{name} of {socket}", OF_ENTRY)


def check_vae(vae: Any) -> None:
    """Refuse a VAE with such weights: its pictures are cut to 0 to 1, which hides infinite ones.

    Raises:
        NotFiniteError: With the weight.
    """
    patcher = getattr(vae, "patcher", None)
    bad = None if patcher is None else first_not_finite(_tensors(patcher))
    if bad is not None:
        raise NotFiniteError(
            f"vae: its weight {bad} holds values that are no finite numbers; the file is damaged. "
            f"{_AGAIN}"
        )


def advise_network(model: Any) -> str:
    """What helps after a network gave such values: looks for them in all weights and LoRAs."""
    owners = [("base", model)]
    others = model.additional_models.items()
    owners += [("audio part", other) for key, many in others if key != "multigpu" for other in many]
    if (held := low_noise_of(model)) is not None:
        owners.append(("low-noise expert", held.model))
    for name, patcher in owners:
        bad = first_not_finite(_tensors(patcher))
        if bad is not None:
            return f"The weight {bad} of the {name} is damaged. {_AGAIN}"
        bad = first_not_finite(_changes(patcher))
        if bad is not None:
            return f"A LoRA changes {bad} of the {name} by such values: its file is damaged."
    return _OF_NETWORK


def _tensors(patcher: Any) -> Iterator[tuple[str, Tensor]]:
    """All stored numbers of a model's weights, without LoRAs."""
    for name, weight in clean_weights(patcher):
        for tensor in _stored(weight):
            yield name, tensor


def _stored(weight: Any) -> list[Tensor]:
    """The numbers that a quantized tensor is made of; any other is its own."""
    stored = getattr(weight, "_qdata", None)
    if not isinstance(stored, Tensor):
        return [weight]
    params = vars(weight._params).values()
    return [stored, *(value for value in params if isinstance(value, Tensor))]


def _changes(patcher: Any) -> Iterator[tuple[str, Tensor]]:
    """All tensors of the LoRAs of a model."""
    for key, patches in patcher.patches.items():
        for patch in patches:
            value = getattr(patch[1], "weights", patch[1])
            for tensor in _flat(value):
                yield str(key), tensor


def _flat(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _flat(entry)

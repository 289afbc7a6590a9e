"""Parameters in layouts that the host does not know, as the host's own quantized tensors.

A layout class tells the host how to turn stored values into numbers; with it the host moves, pages
and counts such a weight like its own. `QuantizedOps.Linear` computes with numbers made anew in
every call, and takes LoRAs there too: they are added to the numbers, never rounded into the file's
few bits. Source: decisions.md 16.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import comfy.float
import comfy.model_patcher
import comfy.ops
import comfy.patcher_extension
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy.quant_ops import QuantizedLayout, QuantizedTensor, register_layout_class
from torch import Tensor

from ...weights.gguf_blocks import dequantize_blocks
from ...weights.gguf_file import GgufTensor
from ...weights.quanto import GroupScaled, RowScaled, dequantize_groups, dequantize_rows
from ...weights.scaled import GridScaled, dequantize_grid

_ROWS, _GRID = "MultiTalkRows", "MultiTalkGrid"
_GROUPS, _BLOCKS = "MultiTalkGroups", "MultiTalkBlocks"


@dataclass(frozen=True)
class _Params:
    """What a layout knows beside the stored values; the host asks for these names."""

    orig_dtype: torch.dtype
    orig_shape: tuple[int, ...]

    def _tensors(self) -> dict[str, Tensor]:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def to_device(self, device: torch.device) -> _Params:
        """A copy on another device."""
        moved: dict[str, Any] = {n: t.to(device=device) for n, t in self._tensors().items()}
        return dataclasses.replace(self, **moved)

    def clone(self) -> _Params:
        """A copy with its own tensors."""
        cloned: dict[str, Any] = {n: t.clone() for n, t in self._tensors().items()}
        return dataclasses.replace(self, **cloned)

    def copy_from(self, src: _Params, non_blocking: bool = False) -> None:
        """Take over the values of another of the same sizes, in place."""
        for name, tensor in self._tensors().items():
            tensor.copy_(getattr(src, name), non_blocking=non_blocking)
        object.__setattr__(self, "orig_dtype", src.orig_dtype)
        object.__setattr__(self, "orig_shape", src.orig_shape)


@dataclass(frozen=True)
class _RowParams(_Params):
    scale: Tensor  # [out, 1], or [n, m] of a grid


@dataclass(frozen=True)
class _GroupParams(_Params):
    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class _BlockParams(_Params):
    kind: str


class _ReadOnlyLayout(QuantizedLayout):
    """Stored values are read; nothing writes them."""

    @classmethod
    def quantize(cls, tensor: Tensor, **kwargs: Any) -> tuple[Tensor, Any]:
        """Never called: LoRAs stay beside these weights (see `keep_stored`)."""
        raise NotImplementedError(f"{cls.__name__} weights are not rewritten")

    @classmethod
    def get_plain_tensors(cls, qtensor: QuantizedTensor) -> tuple[Tensor, ...]:
        """The stored values."""
        return (qtensor._qdata,)

    @classmethod
    def state_dict_tensors(cls, qdata: Tensor, params: Any) -> dict[str, Tensor]:
        """The stored values, under the parameter's own name."""
        return {"": qdata}


class RowsLayout(_ReadOnlyLayout):
    """8 bit weights with one scale per row, as optimum-quanto's."""

    Params = _RowParams

    @classmethod
    def dequantize(cls, qdata: Tensor, params: _RowParams) -> Tensor:
        """[out, in] in the dtype of the parameters."""
        return dequantize_rows(qdata, params.scale, params.orig_dtype)


class GridLayout(_ReadOnlyLayout):
    """8 bit weights with one scale for each block of a grid."""

    Params = _RowParams

    @classmethod
    def dequantize(cls, qdata: Tensor, params: _RowParams) -> Tensor:
        """[out, in] in the dtype of the parameters."""
        return dequantize_grid(qdata, params.scale, params.orig_dtype)


class GroupsLayout(_ReadOnlyLayout):
    """optimum-quanto's 4 bit weights: a scale and a shift per group of a row."""

    Params = _GroupParams

    @classmethod
    def dequantize(cls, qdata: Tensor, params: _GroupParams) -> Tensor:
        """[out, in] in the dtype of the parameters."""
        shape = (params.orig_shape[0], params.orig_shape[1])
        return dequantize_groups(qdata, params.scale, params.shift, shape, params.orig_dtype)


class BlocksLayout(_ReadOnlyLayout):
    """GGUF blocks."""

    Params = _BlockParams

    @classmethod
    def dequantize(cls, qdata: Tensor, params: _BlockParams) -> Tensor:
        """The tensor in the dtype of the parameters."""
        return dequantize_blocks(qdata, params.kind, params.orig_shape, params.orig_dtype)


def register_layouts() -> None:
    """Make the layouts known to the host; a second call changes nothing."""
    layouts = {
        _ROWS: RowsLayout, _GRID: GridLayout, _GROUPS: GroupsLayout, _BLOCKS: BlocksLayout
    }  # fmt: skip
    for name, layout in layouts.items():
        register_layout_class(name, layout)


def wrap(
    stored: RowScaled | GridScaled | GroupScaled | GgufTensor, dtype: torch.dtype
) -> QuantizedTensor:
    """A stored matrix as a quantized tensor of the host, in its own shape and not copied."""
    register_layouts()
    if isinstance(stored, RowScaled | GridScaled):
        scaled = _RowParams(dtype, tuple(stored.data.shape), scale=stored.scale)
        name = _ROWS if isinstance(stored, RowScaled) else _GRID
        return QuantizedTensor(stored.data, name, scaled)
    if isinstance(stored, GroupScaled):
        groups = _GroupParams(dtype, stored.shape, scale=stored.scale, shift=stored.shift)
        return QuantizedTensor(stored.data, _GROUPS, groups)
    blocks = _BlockParams(dtype, tuple(stored.shape), kind=stored.kind)
    return QuantizedTensor(stored.data, _BLOCKS, blocks)


class QuantizedOps(comfy.ops.manual_cast):
    """The host's layers; linear ones take weights in our layouts too."""

    class Linear(comfy.ops.manual_cast.Linear):
        """Linear layer whose weight may be stored in a layout of ours."""

        weight: Any
        bias: Any

        def forward_comfy_cast_weights(self, input: Tensor) -> Tensor:
            """Compute with numbers made for this call."""
            with comfy.ops.CastBiasWeightContext(self, input, offloadable=True) as (weight, bias):
                if isinstance(weight, QuantizedTensor):
                    weight = weight.to(dtype=input.dtype).dequantize()
                return torch.nn.functional.linear(input, weight, bias)

        def convert_weight(self, weight: Tensor, inplace: bool = False, **_options: Any) -> Tensor:
            """The host asks for numbers, to add a LoRA."""
            return weight.dequantize() if isinstance(weight, QuantizedTensor) else weight

        def set_weight(
            self,
            weight: Tensor,
            inplace_update: bool = False,
            seed: int | None = None,
            return_weight: bool = False,
            **_options: Any,
        ) -> Tensor | None:
            """The host brings patched numbers; stored values stay, only their device changes."""
            if isinstance(self.weight, QuantizedTensor):
                if return_weight:
                    return weight
                new = self.weight.to(device=weight.device)
            else:
                new = comfy.float.stochastic_rounding(weight, self.weight.dtype, seed=seed or 0)
                if return_weight:
                    return new
            self.weight = torch.nn.Parameter(new, requires_grad=False)
            return None

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            """Move the weight as a whole: torch would replace the inside of a wrapped tensor."""
            for name, parameter in self._parameters.items():
                if parameter is not None:
                    moved = fn(parameter)
                    self._parameters[name] = torch.nn.Parameter(moved, requires_grad=False)
            return self


class StoredPatcher(ModelPatcher):
    """The host's plain patcher, which computes no patched numbers that nobody would keep.

    For each weight with a LoRA it makes numbers, adds the LoRA and hands them to `set_weight`. That
    keeps stored values as they are (see `keep_stored`), so all of it was for nothing: 640 matrices
    of a GGUF base, longer than a step takes on a processor.
    """

    def patch_weight_to_device(
        self, key: str, device_to: Any = None, inplace_update: bool = False, **more: Any
    ) -> Any:
        """As the host's; a stored weight with a LoRA only goes to its device."""
        weight = comfy.utils.get_attr(self.model, key)
        if more.get("return_weight") or key not in self.patches or not _is_stored(weight):
            return super().patch_weight_to_device(key, device_to, inplace_update, **more)
        if key not in self.backup:
            self.backup[key] = _Backup(weight.to(device=self.offload_device), inplace_update)
        if device_to is not None:
            comfy.utils.set_attr_param(self.model, key, weight.to(device=device_to))
        return None


class _Backup(NamedTuple):
    """What the host puts back when it unloads."""

    weight: Any
    inplace_update: bool


def _is_stored(weight: Any) -> bool:
    return isinstance(weight, QuantizedTensor) and isinstance(weight._params, _Params)


def patch(
    module: torch.nn.Module, device: torch.device, offload: torch.device, *, disable_dynamic: bool
) -> ModelPatcher:
    """The host's patcher of a module that may hold weights in these layouts.

    It leaves stored weights as they are when a LoRA is added. The host itself asks for its plain
    patcher by `disable_dynamic`.
    """
    kind = ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    if kind is ModelPatcher:
        kind = StoredPatcher
    patcher: ModelPatcher = kind(module, load_device=device, offload_device=offload)
    on_load = comfy.patcher_extension.CallbacksMP.ON_LOAD
    patcher.add_callback_with_key(on_load, "multitalk", keep_stored)
    return patcher


def keep_stored(patcher: Any, *_loading: Any) -> None:
    """ON_LOAD callback: LoRAs of stored weights become functions of every call.

    The host rounds a patched weight back into its own layout. Into these layouts it cannot, and
    should not: a LoRA is often smaller than their rounding.
    """
    for name, module in patcher.model.named_modules():
        if not isinstance(module, QuantizedOps.Linear):
            continue
        key = f"{name}.weight"
        if key not in patcher.patches or not isinstance(module.weight, QuantizedTensor):
            continue
        wrappers = patcher.weight_wrapper_patches.get(key, [])
        lora = comfy.model_patcher.LowVramPatch(key, patcher.patches)
        module.weight_function = [lora, *wrappers]
        if hasattr(module, "weight_lowvram_function"):
            module.weight_lowvram_function = None

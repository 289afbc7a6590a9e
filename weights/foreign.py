"""Layouts of other programs, told by the names of their tensors, that are not read here.

Whoever chooses such a file is told its layout by name: it is no damage, and another download would
be the same.
"""

from __future__ import annotations

from collections.abc import Collection

# Name of the layout -> how names of its tensors end, or what stands in them.
_LAYOUTS: dict[str, tuple[str, ...]] = {
    "bitsandbytes": (".absmax", ".quant_map", ".nested_absmax", ".SCB"),
    "GPTQ or AWQ": (".qweight", ".qzeros", ".g_idx"),
    "compressed-tensors": (".weight_packed", ".weight_zero_point", ".weight_global_scale"),
    "SVDQuant (Nunchaku)": (".wscales", ".wzeros", ".smooth_factor", ".wcscales", ".wtscale"),
    "HQQ": (".W_q",),
    "torchao": (":_data", ":tensor_data", ".tensor_impl"),
    "4 bit with scales of two levels": (".weight_scale_2",),
}
_INSIDE = {"bitsandbytes": ".quant_state.bitsandbytes__"}


def require_known_layout(file: str, names: Collection[str]) -> None:
    """Refuse a file whose matrices another program has packed.

    Raises:
        ValueError: With the name of the layout.
    """
    for layout, endings in _LAYOUTS.items():
        inside = _INSIDE.get(layout)
        found = next((n for n in names if n.endswith(endings) or (inside and inside in n)), None)
        if found is not None:
            raise ValueError(
                f"{file} is stored in the layout of {layout} (it has {found}), which this pack "
                "does not read. Choose a 16 bit, fp8, GGUF or optimum-quanto file of this model."
            )

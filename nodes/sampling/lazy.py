"""Inputs as `check_lazy_status` gets them: models that are made only when all else is checked."""

from __future__ import annotations

from typing import Any


def missing_lazy(inputs: dict[str, Any], *names: str) -> list[str]:
    """Which of the lazy sockets are connected and not made yet."""
    return [name for name in names if name in inputs and inputs[name] is None]


def plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of check_lazy_status without the keys that the host pairs dynamic values with."""

    def strip(value: Any) -> Any:
        paired = isinstance(value, dict) and all(isinstance(v, tuple) for v in value.values())
        return {name: pair[0] for name, pair in value.items()} if paired else value

    return {name: strip(value) for name, value in inputs.items()}

"""What one queue has made and checked already, so that nothing is read or made twice.

The host calls a node several times for one run (`check_lazy_status`, then `execute`) and gives no
place to hand a value on; what all these calls share is the running prompt. Values lie beside it,
by a weak reference, and go when the queue ends: nothing outlives a run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Made = TypeVar("Made")

_QUEUES: WeakKeyDictionary[Any, dict[Hashable, Any]] = WeakKeyDictionary()


def once(dynprompt: Any, key: Hashable, make: Callable[[], Made]) -> Made:
    """A value that a queue makes once; after an error nothing is kept.

    Args:
        dynprompt: The host's running prompt; None makes the value anew each time.
        key: What it is and all that it depends on.
        make: Makes it.
    """
    if dynprompt is None:
        return make()
    made = _QUEUES.setdefault(dynprompt, {})
    if key not in made:
        made[key] = make()
    return made[key]

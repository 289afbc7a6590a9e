"""Graphs that make the beginning of a video first, for trying settings, and then the whole."""

from __future__ import annotations

from .graph_forms import Graph
from .graph_parts import Kit
from .graph_pieces import TOY_LINKS, TOY_SAMPLER_PX, TOY_SETTINGS, file_sampler, note_below
from .graph_real import Plan, one_speaker
from .graph_toy import one_toy_speaker

TOY_NOTE = """\
Nothing to download: press **Run**.

*first_seconds* 1 makes the first second alone, exactly as the whole has it. The report says how \
long the whole will take.

**Try**
- set *first_seconds* to 0 and press **Run** again: with *keep_progress* the whole goes on from \
there
- before that, change a setting: then it begins anew

The mp4 is saved in `output/video`.
"""
CHANGE_NOTE = """\
1. Choose **picture** and **voice**.
2. *first_seconds* 3: only the windows that show the first 3 seconds are made, exactly as the \
whole has them. The report says how long the whole would take.
3. Not as you like it? Change prompt, seed or steps, and look again.
4. As you like it: set *first_seconds* to **0** and press **Run**. With *keep_progress* the whole \
goes on from these windows.

The mp4 is saved in `output/video`.
"""


def toy_first_look() -> Graph:
    """The first second of a talking head."""
    settings = {**TOY_SETTINGS, "first_seconds": 1.0}
    return one_toy_speaker(
        "toy_first_look",
        (file_sampler(TOY_SAMPLER_PX, TOY_LINKS, settings),),
        note_below(TOY_NOTE),
    )


def multitalk_first_look(kit: Kit) -> Graph:
    """One person talks, for three seconds first.

    Args:
        kit: Model files.

    Returns:
        The graph.
    """
    return one_speaker(
        Plan(
            name="multitalk_first_look",
            kit=kit,
            settings={"first_seconds": 3.0},
            change=CHANGE_NOTE,
            to_file=True,
        )
    )

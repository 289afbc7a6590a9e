"""Show all graphs as they open: tools/bench/graphs_classic.webp, graphs_nodes2.webp.

    /tmp/pw/bin/python tools/make/contact_sheet.py          # or name a mode: nodes2

It needs what screenshots.py needs. One sheet for each mode of the editor, with the settings that
the editor has by itself; no graph is run.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

from graph_index import FILES, graph_path
from PIL import Image, ImageDraw, ImageFont
from screenshots import (
    LOAD,
    MODES,
    ROOT,
    SETTINGS,
    Report,
    choose_example,
    open_editor,
    running_host,
    write_settings,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from pack.tools.host.client import HostProcess

VIEW = {"width": 1600, "height": 1000}
CROP = (160, 90, 1440, 910)
"""What the editor fits a graph into, without most of its panels."""
COLUMNS, TITLE_PX = 6, 30
SCALE = 0.3
SHEET_BYTES = 150_000


def take(host: HostProcess, page: Page, name: str) -> Image.Image:
    """Open a graph as the templates page does, and take its picture."""
    choose_example(host, name)
    graph = json.loads(graph_path(name).read_text(encoding="ascii"))
    page.evaluate(LOAD, [graph, name])
    page.wait_for_timeout(1500)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB").crop(CROP)


def lay_out(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures with their names, in rows."""
    width, height = (int(SCALE * (CROP[i + 2] - CROP[i])) for i in (0, 1))
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * (height + TITLE_PX)), "#101010")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for index, (name, picture) in enumerate(pictures.items()):
        x, y = index % COLUMNS * width, index // COLUMNS * (height + TITLE_PX)
        draw.text((x + 12, y + 4), name, fill="#ffffff", font=font)
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (x, y + TITLE_PX))
    return sheet


def write(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as fine as the limit allows."""
    quality, data = 90, b""
    while quality > 5 and not 0 < len(data) < SHEET_BYTES:
        quality -= 5
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", quality=quality, method=6)
        data = buffer.getvalue()
    path.write_bytes(data)
    print(f"{path.name}: {len(data) / 1e6:.2f} MB, quality {quality}", flush=True)


def main() -> int:
    """Write both sheets, or one.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Show all graphs as they open.")
    parser.add_argument("modes", nargs="*", help=f"of {', '.join(MODES)}; default: both")
    modes = parser.parse_args().modes or [*MODES]
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.dont_write_bytecode = True
    report = Report()
    with running_host(with_models=True) as host:
        for mode in modes:
            report.name = mode
            write_settings(host.base, SETTINGS | {"Comfy.VueNodes.Enabled": MODES[mode]})
            with open_editor(host.address, report, focus=False) as page:
                page.set_viewport_size(VIEW)
                pictures = {name: take(host, page, name) for name in FILES}
            write(lay_out(pictures), ROOT / "tools" / "bench" / f"graphs_{mode}.webp")
    print("\n".join(report.problems) or "No problems.")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())

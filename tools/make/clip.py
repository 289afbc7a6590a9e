"""Write a short mp4 from a picture, as a video to dub: `python tools/make/clip.py PICTURE MP4`."""

from __future__ import annotations

import sys
from pathlib import Path

FRAMES, FRAME_RATE = 10, 25
WIDTH, HEIGHT = 480, 320


def write_clip(picture: Path, path: Path) -> None:
    """Encode a still picture as a video without sound.

    Args:
        picture: Any picture file.
        path: Where the mp4 goes.
    """
    import av
    from PIL import Image

    with Image.open(picture) as still, av.open(str(path), "w") as container:
        frame = av.VideoFrame.from_image(still.convert("RGB").resize((WIDTH, HEIGHT)))
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    write_clip(Path(sys.argv[1]), Path(sys.argv[2]))

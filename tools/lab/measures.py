"""Numbers of the laboratory: what mouths, colors and faces of a video do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pack.multitalk.config import FRAME_RATE
from pack.tools.lab.cast import KINDS, TWO_FACES, Clip, Kind
from pack.tools.toy.reading import MIN_DEVIATION, pearson, psnr_db, read_opening

LEVELS = np.linspace(0, 1, 6)
CELL_PX = 8
LAST_S = 10

# sRGB (IEC 61966-2-1) to XYZ over the D65 white point; CIE 15 from there to Lab.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / np.array([[0.95047], [1.0], [1.08883]])

Areas = Sequence[tuple[slice, slice]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """A clip and a video of it."""

    clip: Clip
    frames: np.ndarray
    """[F, H, W, 3] uint8."""

    @property
    def mouths(self) -> np.ndarray:
        """Openings read from the video, [S, F]."""
        return read_mouths(self.frames, self.clip.areas)


def read_mouths(frames: np.ndarray, areas: Areas) -> np.ndarray:
    """Read every mouth: [S, F] from [F, H, W, 3]."""
    return np.stack([read_opening(frames, *area) for area in areas])


def mouth_scales(clip: Clip) -> np.ndarray:
    """What the reader reads from each mouth, drawn as far open as LEVELS say: [S, levels]."""
    people = len(clip.lines)
    drawn = np.stack([clip.scene.frame(0, [level] * people) for level in LEVELS])
    return read_mouths(drawn, clip.areas)


def drawn_mouths(clip: Clip) -> np.ndarray:
    """What the reader would read from the film as it should be: [S, F]."""
    pairs = zip(clip.openings, mouth_scales(clip), strict=True)
    return np.stack([np.interp(openings, LEVELS, scale) for openings, scale in pairs])


def talks(openings: np.ndarray) -> np.ndarray:
    """Who says enough to be judged: [S] bool from true openings [S, F]."""
    return openings.std(1) > MIN_DEVIATION


def bind(mouths: np.ndarray, openings: np.ndarray) -> np.ndarray:
    """Correlation of every face with every track.

    Args:
        mouths: Read openings [S, F].
        openings: True openings [S, F].

    Returns:
        [S, S], faces down and tracks across; nan for tracks that cannot be judged.
    """
    heard = talks(openings)
    return np.array(
        [[pearson(m, o) if h else np.nan for o, h in zip(openings, heard, strict=True)]
         for m in mouths]
    )  # fmt: skip


def binding(takes: Sequence[Take]) -> np.ndarray:
    """Mean binding matrix [2, 2] of clips in which two people take turns."""
    matrices = [bind(t.mouths, t.clip.openings) for t in takes if t.clip.kind == "turns"]
    return np.nanmean(matrices, axis=0)


def own_minus_other(matrix: np.ndarray) -> float:
    """How much more two faces follow their own track than the other's."""
    return float(np.trace(matrix) - np.trace(matrix[::-1])) / 2


def own_r(takes: Sequence[Take], kinds: Sequence[Kind]) -> list[float]:
    """Correlation of every face that talks with its own track, in clips of these kinds."""
    matrices = [bind(t.mouths, t.clip.openings) for t in takes if t.clip.kind in kinds]
    values = np.concatenate([np.diag(matrix) for matrix in matrices])
    return values[~np.isnan(values)].tolist()


def amplitude(takes: Sequence[Take]) -> float:
    """Movement of talking mouths in the videos relative to the drawn ones; 1 is right."""
    ratios = []
    for take in takes:
        ratio = take.mouths.std(1) / drawn_mouths(take.clip).std(1).clip(1e-6)
        ratios += ratio[talks(take.clip.openings)].tolist()
    return float(np.mean(ratios))


def silent_ratio(takes: Sequence[Take]) -> float:
    """Movement of silent listeners' mouths relative to that of all talkers in these videos.

    A mouth's reading is an area, so it is divided by the size of the head first.
    """
    silent, loud = [], []
    for take in takes:
        heads = [actor.head for actor in take.clip.scene.actors]
        sizes = np.array([head.radius**2 * head.aspect for head in heads])
        moves, heard = take.mouths.std(1) / sizes, talks(take.clip.openings)
        loud += moves[heard].tolist()
        if take.clip.kind == "listener":
            silent += moves[~heard].tolist()
    return float(np.mean(silent) / np.mean(loud))


def to_lab(frames: np.ndarray) -> np.ndarray:
    """CIE Lab of sRGB: [..., 3] in 0..255 to [..., 3] with L from 0 to 100."""
    rgb = frames / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ _TO_XYZ.T
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def color_drift(frames: np.ndarray, picture: np.ndarray, areas: Areas) -> np.ndarray:
    """How far the colors of each frame are from those of the picture.

    Colors are compared cell by cell, 8 x 8 pixels each, so that a face may bob and blur but
    neither fade nor change its hue; whole-frame means would say nothing, since color matching
    keeps them as they are. Mouths are left out.

    Args:
        frames: [F, H, W, 3] uint8, sides a multiple of 8.
        picture: [H, W, 3] uint8.
        areas: Mouths.

    Returns:
        [F], mean CIE76 difference.
    """
    mask = np.ones((*picture.shape[:2], 1))
    for area in areas:
        mask[area] = 0
    counts = _cells(mask)
    kept = counts[..., 0] > 0
    first, *rest = (to_lab(_cells(f * mask)[kept] / counts[kept]) for f in (picture, *frames))
    return np.array([np.linalg.norm(each - first, axis=-1).mean() for each in rest])


def _cells(frame: np.ndarray) -> np.ndarray:
    """Sums over cells: [H, W, C] to [H / 8, W / 8, C]."""
    height, width, channels = frame.shape
    parts = frame.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX, channels)
    return parts.sum((1, 3))


def likeness_db(frames: np.ndarray, clip: Clip) -> np.ndarray:
    """How much the faces look as in the picture: PSNR of the heads above the mouth, [F]."""
    rows = []
    for (x, y, width, _), (mouth, _) in zip(clip.scene.boxes, clip.areas, strict=True):
        part = (slice(max(y, 0), mouth.start), slice(max(x, 0), x + width))
        picture = clip.picture[part]
        rows.append([psnr_db(picture, frame[part]) for frame in frames])
    return np.mean(rows, axis=0)


def looks(takes: Sequence[Take], num_frames: int) -> dict[str, float]:
    """Drift of colors and likeness of faces at the end.

    Args:
        takes: The videos.
        num_frames: How many of the last frames count.
    """
    ends = [(take.frames[-num_frames:], take.clip) for take in takes]
    drift = [color_drift(end, clip.picture, clip.areas).mean() for end, clip in ends]
    alike = [likeness_db(end, clip).mean() for end, clip in ends]
    return {"drift_de": float(np.mean(drift)), "likeness_db": float(np.mean(alike))}


def summarise(takes: Sequence[Take]) -> dict[str, float]:
    """All numbers of a set of clips.

    Args:
        takes: Videos of clips; one face, turns and a listener must be among them.

    Returns:
        Numbers by name; correlations are means over faces.
    """
    heard = np.concatenate([talks(take.clip.openings) for take in takes])
    silent = sum(take.clip.kind == "listener" for take in takes)
    matrix = binding(takes)
    return {
        "one_face_r": float(np.mean(own_r(takes, ("one_face",)))),
        "two_face_own_r": float(np.mean(own_r(takes, TWO_FACES))),
        "own_minus_other": own_minus_other(matrix),
        **{f"face_{i + 1}_track_{j + 1}": float(matrix[i, j]) for i in (0, 1) for j in (0, 1)},
        "silent_ratio": silent_ratio(takes),
        "amplitude": amplitude(takes),
        **looks(takes, FRAME_RATE),
        "clips": len(takes),
        "excluded_tracks": int((~heard).sum()) - silent,
    }


def summarise_vae(films: Sequence[Take], rebuilt: Sequence[Take]) -> dict[str, float]:
    """What the VAE alone keeps of drawn films.

    Args:
        films: The drawn films.
        rebuilt: The same, encoded and decoded.

    Returns:
        Mean PSNR in dB, and mean correlation of its mouths with the true openings.
    """
    pairs = zip(films, rebuilt, strict=True)
    return {
        "vae_psnr_db": float(np.mean([psnr_db(a.frames, b.frames) for a, b in pairs])),
        "vae_mouth_r": float(np.mean(own_r(rebuilt, KINDS))),
    }


def summarise_long(take: Take) -> dict[str, float]:
    """Numbers of a long dialogue, most of them over its last ten seconds."""
    clip, span = take.clip, LAST_S * FRAME_RATE
    matrix = bind(take.mouths[:, -span:], clip.openings[:, -span:])
    last = looks([take], span)
    return {
        "r_last_10s": float(np.nanmean(np.diag(matrix))),
        "own_minus_other_last_10s": own_minus_other(matrix),
        "drift_de_60s": last["drift_de"],
        "likeness_db_first_10s": float(likeness_db(take.frames[:span], clip).mean()),
        "likeness_db_last_10s": last["likeness_db"],
    }

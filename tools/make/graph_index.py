"""How the shipped graphs are found: file names, titles, order and words, as data.

The templates page of the editor (comfyui_frontend_package 1.48) knows of a pack's graph its
file name and nothing else: that is its title, its description and all that a search looks at. The
page shows about the first thirty characters, and the rest when one points at a title. So a file is
called

    16 Low memory, 8 GB card - talking lip-sync avatar, GGUF, InfiniteTalk.json

number in the order of a reader, title, words. Everything else knows a graph by its short name
(`toy_one_speaker`): workflows/api/NAME.json, `dev.py run NAME`, tests, pictures of graphs.

    workflows/FILE.json            the graph for the editor
    workflows/FILE.jpg             its picture on the templates page, square; moving ones are WebP
                                   inside, since the page asks for no other ending
    workflows/api/NAME.json        its twin for programs
    workflows/pictures/NAME.webp   the graph itself in the editor, for workflows/README.md

Blueprints are found in the node search by their file name, too: for those of a pack this editor
throws the file's own list of words (`BlueprintSearchAliases`) away, so the words are in both. It
looks for a word in about the first thirty characters of a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / "workflows"


@dataclass(frozen=True)
class Entry:
    """A graph on the templates page."""

    name: str
    """Short name: that of its twin in workflows/api."""
    title: str
    """What stands under the picture, at most 31 characters with the number."""
    words: str
    """What else people search for. No comma behind lip-sync: "lipsync" would not find it."""
    app: bool = False
    """It opens in the editor's App mode: the page knows an app by a name that ends in .app."""

    def file_name(self, number: int) -> str:
        """File name, without .json."""
        return f"{number:02d} {self.title} - {self.words}{'.app' if self.app else ''}"


# In the order of a reader: what needs no files, then what most people want, then special uses.
INDEX = (
    Entry(
        "toy_one_speaker",
        "Demo, one talking head",
        "lip-sync avatar, no download",
        app=True,
    ),
    Entry(
        "toy_two_speakers",
        "Demo, two talking heads",
        "lip-sync avatars, dialogue, no download",
    ),
    Entry(
        "toy_two_speakers_boxes",
        "Demo, two heads by boxes",
        "talking lip-sync avatars, dialogue, no download",
    ),
    Entry(
        "toy_dialogue",
        "Demo, dialogue from text",
        "talking lip-sync avatars, conversation, speech, tts, no download",
        app=True,
    ),
    Entry(
        "toy_recording",
        "Demo, one recording",
        "talking lip-sync avatars, dialogue, podcast, no download",
    ),
    Entry("toy_long_video", "Demo, long talking video", "lip-sync avatar, resume, no download"),
    Entry(
        "toy_end_image",
        "Demo, ends on a picture",
        "last frame, talking lip-sync avatar, no download",
    ),
    Entry(
        "toy_scene",
        "Demo, prompts with times",
        "scene script, prompt schedule, talking lip-sync avatar, no download",
    ),
    Entry(
        "toy_shots",
        "Demo, cut to a second shot",
        "several pictures, talking lip-sync avatar, resume, no download",
    ),
    Entry(
        "toy_continue",
        "Demo, goes on with a video",
        "continue, extend, talking lip-sync avatar, no download",
    ),
    Entry(
        "toy_still",
        "Demo, one talks, one listens",
        "still face, talking lip-sync avatar, no download",
    ),
    Entry("toy_dub", "Demo, dub only the mouth", "dubbing, talking lip-sync avatar, no download"),
    Entry(
        "toy_first_look",
        "Demo, first look",
        "preview, try settings, talking lip-sync avatar, no download",
    ),
    Entry(
        "toy_smooth",
        "Demo, smoother and larger",
        "50 fps, frame interpolation, upscale, talking lip-sync avatar, no download",
    ),
    Entry(
        "multitalk_one_speaker",
        "Talking avatar, MultiTalk",
        "talking head, portrait photo, voice to video, lip-sync",
    ),
    Entry(
        "infinitetalk_one_speaker",
        "Talking avatar, InfiniteTalk",
        "talking head, portrait photo, voice to video, lip-sync",
    ),
    Entry(
        "multitalk_two_speakers",
        "Two people, left and right",
        "talking lip-sync avatars, dialogue, conversation, MultiTalk",
    ),
    Entry(
        "multitalk_two_speakers_boxes",
        "Two people, boxes",
        "talking lip-sync avatars, dialogue, conversation, MultiTalk",
    ),
    Entry(
        "multitalk_two_speakers_detector",
        "Two people, face detector",
        "talking lip-sync avatars, dialogue, conversation, MultiTalk",
    ),
    Entry(
        "multitalk_still",
        "One talks, others stay still",
        "silent listener, talking lip-sync avatar, MultiTalk",
    ),
    Entry(
        "multitalk_dialogue",
        "Dialogue from text",
        "script, conversation, text to speech, tts, Kokoro, talking lip-sync avatars",
    ),
    Entry(
        "multitalk_recording",
        "Two people, one recording",
        "podcast, stereo, dialogue, talking lip-sync avatars, MultiTalk",
    ),
    Entry(
        "infinitetalk_dub_video",
        "Dub a video, new voice",
        "dubbing, talking lip-sync avatar, video to video, InfiniteTalk",
    ),
    Entry(
        "infinitetalk_dub_mouth",
        "Dub a video, only the mouth",
        "dubbing, talking lip-sync avatar, video to video, InfiniteTalk",
    ),
    Entry(
        "infinitetalk_long_video",
        "Long talking video",
        "lip-sync avatar, minutes to hours, resume, InfiniteTalk",
    ),
    Entry(
        "infinitetalk_continue",
        "Go on with a video",
        "continue, extend, talking lip-sync avatar, InfiniteTalk",
    ),
    Entry(
        "multitalk_shots",
        "Cuts, several pictures",
        "shots, storyboard, scene, talking lip-sync avatar, MultiTalk",
    ),
    Entry(
        "multitalk_first_look",
        "First look, then the whole",
        "preview, try settings, talking lip-sync avatar, MultiTalk",
    ),
    Entry("multitalk_fast", "Fast, 4 steps", "talking lip-sync avatar, lightx2v, MultiTalk"),
    Entry("multitalk_quality", "Best quality, 720p", "talking lip-sync avatar, MultiTalk"),
    Entry(
        "multitalk_smooth",
        "Smoother and larger, 50 fps",
        "frame interpolation, upscale, RIFE, talking lip-sync avatar",
    ),
    Entry(
        "infinitetalk_low_memory",
        "Low memory, 8 GB card",
        "talking lip-sync avatar, GGUF, InfiniteTalk",
    ),
    Entry(
        "flashtalk_one_speaker",
        "Fastest, 4 steps, one pass",
        "talking lip-sync avatar, FlashTalk",
    ),
    Entry(
        "infinitetalk_wan22",
        "WAN22, high and low noise",
        "WAN 2.2, two experts, talking lip-sync avatar, lightx2v, InfiniteTalk",
    ),
    Entry(
        "multitalk_first_last_frame",
        "First to last frame, talking",
        "end image, FLF2V, talking lip-sync avatar, MultiTalk",
    ),
    Entry(
        "multitalk_scene",
        "Scene, prompts with times",
        "directing, prompt schedule, script, talking lip-sync avatar, MultiTalk",
    ),
    Entry(
        "wan_first_last_frame",
        "First to last frame, WAN",
        "end image, FLF2V, image to video, no speech, KSampler",
    ),
    Entry(
        "wan_text_to_talking",
        "Text to talking video",
        "prompt, Wan T2V picture, lip-sync avatar, MultiTalk",
    ),
    Entry(
        "wan_image_to_video",
        "Plain Wan, image to video",
        "no speech, KSampler, Wan 2.1 I2V",
    ),
    Entry(
        "multitalk_prompt_helper",
        "Prompt written for you",
        "prompt help, caption, LLM, Qwen, talking lip-sync avatar, MultiTalk",
    ),
    Entry(
        "multitalk_two_gpus",
        "Two cards, passes shared out",
        "multi GPU, faster, talking lip-sync avatar, MultiTalk",
    ),
    Entry(
        "multitalk_parallel",
        "Two cards, one pass on both",
        "multi GPU, sequence parallel, talking lip-sync avatar, FlashTalk",
    ),
)

FILES = {entry.name: entry.file_name(number) for number, entry in enumerate(INDEX, start=1)}
"""File name, without its ending, by short name."""
NAMES = {file: name for name, file in FILES.items()}
"""Short name by file name."""

BLUEPRINT_FILES = {
    "MultiTalk loaders": "MultiTalk loaders",
    "MultiTalk one speaker": "MultiTalk talking avatar, lip sync",
    "MultiTalk dialogue": "MultiTalk dialogue, lip sync avatar",
}
"""File name of a blueprint, without its ending, by its short name."""
BLUEPRINT_WORDS = {
    "MultiTalk loaders": ("talking avatar", "lip sync", "infinitetalk", "wan 2.1"),
    "MultiTalk one speaker": ("talking head", "avatar", "lip sync", "dub", "picture to video"),
    "MultiTalk dialogue": ("talking heads", "avatar", "lip sync", "conversation", "text to speech"),
}


def graph_path(name: str) -> Path:
    """The graph for the editor."""
    return WORKFLOWS / f"{FILES[name]}.json"


def blueprint_path(name: str) -> Path:
    """The file of a blueprint."""
    return ROOT / "subgraphs" / f"{BLUEPRINT_FILES[name]}.json"


def template_picture(name: str) -> Path:
    """The picture on the templates page."""
    return WORKFLOWS / f"{FILES[name]}.jpg"


def graph_picture(name: str) -> Path:
    """The graph in the editor, as a picture."""
    return WORKFLOWS / "pictures" / f"{name}.webp"

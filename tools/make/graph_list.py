"""The graphs that ship with the pack, as data. `graphs.py` writes them."""

from __future__ import annotations

from .graph_after import multitalk_smooth, toy_smooth
from .graph_cards import multitalk_parallel, multitalk_two_gpus
from .graph_continue import toy_continue
from .graph_films import infinitetalk_continue, multitalk_shots
from .graph_from_text import text_to_talking
from .graph_loaders import dialogue_blueprint, loaders, one_speaker_blueprint
from .graph_look import multitalk_first_look, toy_first_look
from .graph_parts import (
    BASE_720,
    BASE_FLF,
    BASE_FP8,
    BASE_Q4,
    FLASHTALK,
    HIGH_NOISE,
    HIGH_NOISE_LORA,
    INFINITETALK,
    INFINITETALK_Q4,
    LIGHTX2V,
    LOW_NOISE,
    LOW_NOISE_LORA,
    MULTITALK,
    Kit,
)
from .graph_plain import image_to_video, wan_first_last_frame
from .graph_prompts import multitalk_scene, toy_scene
from .graph_real import (
    Plan,
    multitalk_dialogue,
    multitalk_prompt_helper,
    one_speaker,
    two_speakers,
)
from .graph_recordings import multitalk_recording, toy_recording
from .graph_scenes import infinitetalk_dub_mouth, multitalk_still, toy_dub, toy_still
from .graph_toy import (
    toy_dialogue,
    toy_end_image,
    toy_long_video,
    toy_one_speaker,
    toy_shots,
    toy_two_speakers,
)
from .graph_words import (
    DUB_CHANGE_NOTE,
    END_CHANGE_NOTE,
    FAST_CHANGE_NOTE,
    FLASHTALK_CHANGE_NOTE,
    LONG_CHANGE_NOTE,
    LOW_MEMORY_CHANGE_NOTE,
    QUALITY_CHANGE_NOTE,
    WAN22_CHANGE_NOTE,
)

MULTITALK_FULL, INFINITETALK_FULL = Kit(audio_part=MULTITALK), Kit(audio_part=INFINITETALK)
MULTITALK_720 = Kit(base=BASE_720, audio_part=MULTITALK)
MULTITALK_FLF = Kit(base=BASE_FLF, audio_part=MULTITALK)
MULTITALK_FAST = Kit(base=BASE_FP8, audio_part=MULTITALK, lora=LIGHTX2V)
FLASHTALK_KIT = Kit(base=FLASHTALK[0], parts=FLASHTALK[1:], audio_part=None, preset="FlashTalk")
WAN22 = Kit(
    base=HIGH_NOISE,
    audio_part=INFINITETALK,
    lora=HIGH_NOISE_LORA,
    low_noise=(LOW_NOISE, LOW_NOISE_LORA),
)
# The two LoRAs were made for even steps of shift 5, of which two lie above the boundary.
WAN22_STEPS = {
    "preset": "custom",
    "preset.steps": 4,
    "preset.shift": 5.0,
    "preset.text_guidance": 1.0,
    "preset.audio_guidance": 2.0,
    "schedule": "even",
}
LOW_MEMORY = Kit(base=BASE_Q4, audio_part=INFINITETALK_Q4, lora=LIGHTX2V)

BLUEPRINTS = (loaders(MULTITALK_FULL), one_speaker_blueprint(), dialogue_blueprint())
GRAPHS = (
    toy_one_speaker(),
    toy_two_speakers("toy_two_speakers", typed=False),
    toy_two_speakers("toy_two_speakers_boxes", typed=True),
    toy_dialogue(),
    toy_recording(),
    toy_long_video(),
    toy_end_image(),
    toy_scene(),
    toy_shots(),
    toy_continue(),
    toy_still(),
    toy_dub(),
    toy_first_look(),
    toy_smooth(),
    one_speaker(Plan(name="multitalk_one_speaker", kit=MULTITALK_FULL)),
    two_speakers(Plan(name="multitalk_two_speakers", kit=MULTITALK_FULL)),
    two_speakers(Plan(name="multitalk_two_speakers_boxes", kit=MULTITALK_FULL, places="typed")),
    two_speakers(
        Plan(name="multitalk_two_speakers_detector", kit=MULTITALK_FAST, places="detector")
    ),
    multitalk_dialogue(),
    multitalk_recording(MULTITALK_FAST),
    multitalk_still(),
    infinitetalk_dub_mouth(),
    one_speaker(
        Plan(
            name="multitalk_quality",
            kit=MULTITALK_720,
            settings={"size": "720"},
            change=QUALITY_CHANGE_NOTE,
        )
    ),
    one_speaker(Plan(name="multitalk_fast", kit=MULTITALK_FAST, change=FAST_CHANGE_NOTE)),
    one_speaker(Plan(name="infinitetalk_one_speaker", kit=INFINITETALK_FULL)),
    one_speaker(
        Plan(
            name="infinitetalk_dub_video",
            kit=INFINITETALK_FULL,
            change=DUB_CHANGE_NOTE,
            source="video",
        )
    ),
    one_speaker(
        Plan(name="infinitetalk_low_memory", kit=LOW_MEMORY, change=LOW_MEMORY_CHANGE_NOTE)
    ),
    one_speaker(
        Plan(
            name="infinitetalk_long_video",
            kit=INFINITETALK_FULL,
            change=LONG_CHANGE_NOTE,
            to_file=True,
        )
    ),
    infinitetalk_continue(INFINITETALK_FULL),
    multitalk_shots(MULTITALK_FULL),
    one_speaker(
        Plan(
            name="flashtalk_one_speaker",
            kit=FLASHTALK_KIT,
            settings={"sampler": "lcm"},
            change=FLASHTALK_CHANGE_NOTE,
        )
    ),
    one_speaker(
        Plan(name="infinitetalk_wan22", kit=WAN22, settings=WAN22_STEPS, change=WAN22_CHANGE_NOTE)
    ),
    one_speaker(
        Plan(name="multitalk_first_last_frame", kit=MULTITALK_FLF, change=END_CHANGE_NOTE, end=True)
    ),
    multitalk_scene(Kit(audio_part=MULTITALK, lora=LIGHTX2V)),
    wan_first_last_frame(MULTITALK_FLF),
    text_to_talking(MULTITALK_FULL),
    image_to_video(MULTITALK_FULL),
    multitalk_prompt_helper(MULTITALK_FAST),
    multitalk_smooth(MULTITALK_FAST),
    multitalk_two_gpus(Kit(base=BASE_FP8, audio_part=MULTITALK)),
    multitalk_parallel(FLASHTALK_KIT),
    multitalk_first_look(MULTITALK_FULL),
)

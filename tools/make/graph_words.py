"""Notes of the graphs for special uses."""

from __future__ import annotations

TYPED_SPEAKERS_NOTE = """\
**Who speaks when**: *placement* of MultiTalk Tracks. In turn, together, or at times that you write.

**Who is who**: *boxes* of MultiTalk Speakers, one line per person in the order of the voices: \
`x, y, width, height` in pixels of the picture, counted from its upper left corner. The numbers \
here fit the example picture: **write your own**. Head and shoulders are enough.

Run once, and MultiTalk Speakers shows everybody with a number. To change who says what, swap two \
lines.
"""

TOY_TYPED_SPEAKERS_NOTE = """\
**Who is who**: *boxes* of MultiTalk Speakers, one line per person in the order of the voices: \
`x, y, width, height` in pixels, counted from the upper left corner. Run once, and the node shows \
everybody with a number.

**Try**: swap the two lines, and each head speaks with the other voice.
"""

TOY_DETECTED_SPEAKERS_NOTE = """\
**Who speaks when**: *placement* of MultiTalk Tracks. In turn, together, or at times that you write.

**Who is who**: the boxes of MultiTalk Example stand here for those of a face or person detector \
(`multitalk_two_speakers_detector` has one): voice 1 belongs to the leftmost person. Without \
detector remove that link and write one line per person: `x, y, width, height` in pixels.
"""

DETECTED_SPEAKERS_NOTE = """\
**Who is who**: the detector finds the faces, MultiTalk Speakers sorts them **from left to \
right**: voice 1 is the leftmost. Run once; it shows everybody with a number.

- *num_faces* is the number of **voices**, no more: the surest faces are taken.
- Nobody found: lower *min_confidence* to 0.3. MediaPipe wants faces from the front.
- Whole people, also from the side: Load Diffusion Model with \
`rt_detr_v4-x-hgnet_fp16.safetensors` and Run Real-Time Detection, *class_name* person, \
*max_detections* 2. SAM3 Detect works too.
- Another order: write the boxes into *boxes* by hand and remove the link.
"""

FAST_CHANGE_NOTE = """\
1. **Picture and voice**: choose your own files. The length of the sound is the length of the video.
2. **Prompt**: what the scene looks like. There is no negative prompt: with a text guidance of 1 \
it would not count.
3. **preset** *lightx2v* belongs to the LoRA inside *MultiTalk loaders* at strength 1: 4 steps, \
two network passes each, instead of 40 steps with three.
4. Finer, for more time: the graph `multitalk_quality`.

Press **Run**. The mp4 is saved in `output/video`.
"""

QUALITY_CHANGE_NOTE = """\
1. **Picture and voice**: choose your own files. The length of the sound is the length of the video.
2. **Prompt**: what the scene looks like. Negative prompt: what to avoid; it counts here.
3. **preset** *full*: 40 steps, no LoRA. Three network passes per step: the slowest and the finest.
4. **size** 720: about 960 x 960 pixels in the shape of the picture. If memory runs out: 480, with \
the base for 480p.
5. *step_cache* 0.2 to 0.3 skips steps that change little; *apg* steadies colours.

Press **Run**. The mp4 is saved in `output/video`.
"""

LOW_MEMORY_CHANGE_NOTE = """\
1. **Picture, voice, prompt**: your own. The length of the sound is the length of the video.
2. Needs `pip install gguf` in ComfyUI's Python.
3. **What to expect** (from file sizes, not measured): the weights are 12 GB. With 8 GB of \
graphics memory a part of them waits in RAM, so have 32 GB of that. 4 bits cost some sharpness.
4. Memory runs out: *window* 49 instead of 0 (81 frames), or *size* custom 512 x 320.
5. More memory than that: the `Q6_K` or `Q8_0` files of the same places.

Press **Run**. The mp4 is saved in `output/video`.
"""

LONG_CHANGE_NOTE = """\
1. **Picture, voice, prompt**: your own. As long as the sound: minutes, an hour.
2. The file grows **window by window** (3 seconds each), so memory does not. It plays from the \
first window on.
3. **keep_progress**: stopped, crashed, out of power? Queue the **same** graph again, and it goes \
on after the last whole window. Leave the seed as it is (*fixed*).
4. Keeps a face longer: *image_tokens* picture. Colours that should follow: *colour_reference* \
running mean.

Press **Run**. The mp4 is saved in `output/video`, pieces of a stopped run in \
`output/multitalk_runs`.
"""

DUB_CHANGE_NOTE = """\
1. **Video**: people who are to say something else. It must have **25 frames per second**: frame \
n of the video steers frame n of the result, at any other rate the movement is too fast or too \
slow. To convert: `ffmpeg -i old.mp4 -r 25 new.mp4`. *fps* of Get Video Components tells the rate.
2. **New voice**: the length of this sound is the length of the result. A shorter video stands \
still at its last frame.
3. **Prompt**: what is seen. **preset**, **size** and LoRAs as in the other graphs.
4. The light changes within the video: *colour_reference* source frame.

All frames of the video are in memory: cut long ones. Only InfiniteTalk weights can dub.
"""

TOY_LONG_NOTE = """\
Nothing to download: press **Run**. As `toy_one_speaker`, but the sampler writes the mp4 itself, \
**window by window**, so memory does not grow with the length.

**Try**
- press **Run**, stop it, and press **Run** again: *keep_progress* goes on after the last whole \
window
- your own long recording: Load Audio instead of the sound of MultiTalk Example

The mp4 is saved in `output/video`, pieces of a stopped run in `output/multitalk_runs`.
"""

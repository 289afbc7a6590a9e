"""Notes of the shipped graphs. *Slanted* is what stands in the graph: inputs, choices, titles."""

from __future__ import annotations

TOY_NOTE = """\
Nothing to download: press **Run**.

The toy is a very small model of the real architecture, trained on drawn heads. The lips follow \
the voice, each face its own. A photograph comes out as a blur.

**Try**
- *seed*, *steps*, *audio_guidance* of the sampler
- *width* and *height*, multiples of 16

The mp4 is saved in `output/video`.
"""

TOY_OWN_NOTE = f"""\
{TOY_NOTE}
Your own picture and voice: drop both files onto MultiTalk Example. Or press **App** at the \
upper left: the graph as a form, with a button for each file.
"""

TOY_DIALOGUE_NOTE = f"""\
{TOY_NOTE}
**App** at the upper left shows the graph as a form: script, voices, your own *picture*.
"""

TOY_LONG_NOTE = """\
Nothing to download: press **Run**. The sampler writes the mp4 itself, **window by window**, so \
memory does not grow with the length.

**Try**: press **Run**, stop it, and press **Run** again. With *keep_progress* it goes on after \
the last whole window.

The mp4 is saved in `output/video`, pieces of a stopped run in `output/multitalk_runs`.
"""

TOY_END_NOTE = """\
Nothing to download: press **Run**.

The head talks, and the **last frame** is the same picture mirrored, exactly where the voice ends. \
The toy was not trained to end on a picture, so this is experimental: the sampler puts it in \
place in the last 4 frames, and the network finds a way there.

**Try**
- another picture into *end_image*
- *seed* and *steps* of the sampler

The mp4 is saved in `output/video`.
"""

TOY_SCENE_NOTE = """\
Nothing to download: press **Run**.

**MultiTalk Scene** holds a line for each part of the video: from, to, a colon, what is seen. Its \
picture shows the lines below the voice, and the report of the sampler says which line each \
window used. The toy reads no text, so its picture does not change; a released model follows the \
lines.

**Try**
- other times in *scene_text*
- *first_seconds* of the sampler: a first look

The mp4 is saved in `output/video`.
"""

TOY_SHOTS_NOTE = """\
Nothing to download: press **Run**.

At **2 seconds** the video cuts to a second picture, here the same one mirrored, and the voice \
goes on. Every shot begins anew from its own picture.

**Try**
- *seconds* of MultiTalk Shots, and a third picture
- press **Run**, stop it, and press **Run** again: with *keep_progress* it goes on after the last \
whole window, in whichever shot that is

The mp4 is saved in `output/video`.
"""

SCRIPT_NOTE = """\
A line per turn: `Name: text`

- `[0.5s]` a pause
- `[-0.3s]` before a turn: it begins before the other has ended
- `[together]` before a turn: at the same time
- `Anna [speed=1.2]: text`

*voices*: one line per speaker, `Anna = f4`.
"""

CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. **Prompt**: what the scene looks like.
3. *preset*: *full* (40 steps) needs no LoRA. For *FusionX* (8) or *lightx2v* (4) open \
*MultiTalk loaders* (icon at its corner), set *loras* to 1, choose the LoRA of that name.
4. *size*: 480 or 720; the shape follows the picture.

Press **Run**. The mp4 is saved in `output/video`.
"""

DIALOGUE_CHANGE_NOTE = """\
1. Choose a **picture** of two people, write the **script**. Its first speaker is \
the left one; *boxes* say it otherwise.
2. English needs `pip install misaki --no-deps` and `pip install espeakng-loader` in ComfyUI's \
Python.
3. *preset*: *full* (40 steps) needs no LoRA. For *FusionX* (8) or *lightx2v* (4) open \
*MultiTalk loaders*, set *loras* to 1, choose the LoRA of that name.

Press **Run**. The mp4 is saved in `output/video`.
"""

HELPER_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. *Write the prompt*: a text model on your own machine looks at the picture and writes the prompt \
the way Wan was trained on. Your wish is the **last line**.
3. *What it wrote* shows the words. Better words of your own: type them into *Positive \
prompt* after removing its link.
4. *sampling_mode* *on* and another *seed*: other words.
5. *lightx2v* belongs to the LoRA inside *MultiTalk loaders*: 4 steps instead of 40.

Press **Run**. The mp4 is saved in `output/video`.
"""

FAST_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. **Prompt**: what the scene looks like. There is no negative one: without text guidance it would \
not count.
3. *lightx2v* belongs to the LoRA inside *MultiTalk loaders*: 4 steps instead of 40.
4. Finer, for more time: the graph `multitalk_quality`.

Press **Run**. The mp4 is saved in `output/video`.
"""

FLASHTALK_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. **Prompt**: what the scene looks like. There is no negative one: without text guidance it would \
not count.
3. *FlashTalk*: 4 steps of one pass, windows of 33 frames. For **one speaker**; two are \
experimental.
4. The model comes in four parts, 37.8 GB together: all into one folder. *base* is the first. \
*family* says *flashtalk*, because the names do not.

Press **Run**. The mp4 is saved in `output/video`.
"""

WAN22_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. **Prompt**: what the scene looks like. There is no negative one: without text guidance it would \
not count.
3. WAN 2.2 is **two models**: the first two of the four steps run on the one for high noise, the \
others on the one for low noise. The sampler's report names them.
4. *steps*, *shift* and *schedule* belong to the two LoRAs. Without them: preset *full*.

**Experimental**: the audio part was trained on WAN 2.1.

Press **Run**. The mp4 is saved in `output/video`.
"""

PLAIN_CHANGE_NOTE = """\
WAN alone, with ComfyUI's own sampler: the picture moves and nobody talks. The model has an audio \
part, which stays out of this. To let the person talk, open one of the graphs for a talking avatar.

1. Choose the **picture**, write the **prompt**: what moves, and how.
2. *width*, *height*: multiples of 16 in the shape of the picture. *length*: 81 frames are 5 \
seconds.
3. *steps*, *cfg* and *sampler_name* are those of ComfyUI's own template.

Press **Run**. The mp4 is saved in `output/video`.
"""

TEXT_TO_TALKING_CHANGE_NOTE = """\
1. Choose a **voice**, write the **prompt**: who is seen, where, in what light. It makes the first \
picture and the video.
2. *width*, *height*: of the picture; the video follows its shape.
3. Another *seed* in *First picture* is another person. That of MultiTalk Sampler moves the same \
one otherwise.

Press **Run**. The mp4 is saved in `output/video`.
"""

QUALITY_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. **Prompt**: what the scene looks like, and what to avoid.
3. *full*: 40 steps, no LoRA: the slowest and the finest.
4. *size* *720*: about 960 x 960 pixels in the shape of the picture. Memory runs out: *480*, with \
the base for 480p.
5. *step_cache* 0.2 to 0.3 skips steps that change little; *apg* steadies colours.

Press **Run**. The mp4 is saved in `output/video`.
"""

END_CHANGE_NOTE = """\
1. Choose the **picture** that begins to talk, the **last frame**, and the **voice**: the video \
ends on that frame where the voice ends.
2. **Prompt**: what happens in between.
3. This base was trained with a first and a last frame, the audio part on another base: the two \
together are **experimental**.
4. Any other base of these graphs takes *end_image* too, also experimental.

Press **Run**. The mp4 is saved in `output/video`.
"""

SCENE_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. **What happens when**: a line for each part: from, to, a colon, what is seen. What stays, such \
as place and light, goes into *throughout*.
3. **Positive prompt** counts where no line does.
4. A window uses the line that covers most of its new frames, 2 to 3 seconds; the sampler's \
report says which.

Press **Run**. The mp4 is saved in `output/video`.
"""

PLAIN_END_NOTE = """\
1. Choose the **first frame** and the **last frame**.
2. **Prompt**: what happens in between. Nobody talks: the audio part stays idle without a \
sampler of MultiTalk, and the result is that of WAN alone.
3. *width*, *height*: this base was trained for 1280 x 720; *length*: a multiple of 4, plus 1, \
at 16 frames per second.

Press **Run**. The mp4 is saved in `output/video`.
"""

LOW_MEMORY_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. Needs `pip install gguf` in ComfyUI's Python.
3. **8 GB** of graphics memory and 32 GB of RAM should do (from file sizes, not measured). 4 bits \
cost some sharpness.
4. Memory runs out: *window* 49 instead of 0 (81 frames), or *size* *custom* 512 x 320.
5. More memory: the `Q6_K` or `Q8_0` files of the same places.

Press **Run**. The mp4 is saved in `output/video`.
"""

SHOTS_CHANGE_NOTE = """\
1. Choose **picture**, **second picture** and **voice**. Both show the same person, for example \
from near and from afar.
2. *seconds* of MultiTalk Shots: when the second one comes. More pictures: more sockets, and a \
number for each.
3. **Prompt**: what fits all shots.
4. Two voices: *voices* of MultiTalk Shots says whose face each shot shows.

Press **Run**. The mp4 is saved in `output/video`.
"""

CONTINUE_CHANGE_NOTE = """\
1. Choose the **video** to go on with, of any frame rate, and the **voice** of the new part.
2. Its first frame gives look and colours. A better picture of the person: load it, and link \
it to *image* instead.
3. The new video begins after the last frame of the old one and holds **the new part alone**; \
join both with any video editor.
4. Long videos: *Frames* holds all of them in memory, for the first one. Load a picture instead.

Press **Run**. The mp4 is saved in `output/video`.
"""

LONG_CHANGE_NOTE = """\
1. Choose **picture** and **voice**: minutes, an hour.
2. The file grows **window by window** (3 seconds each), memory does not.
3. *keep_progress*: stopped, crashed, out of power? Press **Run** on the same graph again, and it \
goes on after the last whole window. Leave *seed* as it is.
4. Colours or faces change over minutes, and the camera stands still: *drift_correction* 1. Keeps \
a face longer: *image_tokens* *picture*.

The mp4 is saved in `output/video`, pieces of a stopped run in `output/multitalk_runs`.
"""

DUB_CHANGE_NOTE = """\
1. Choose the **video**. It must have **25 frames per second**, or the movement is too fast or too \
slow; `infinitetalk_dub_mouth` takes any rate. Cut long ones: all frames are in memory.
2. Choose the **new voice**. It gives the length; a shorter video stands still at its end.
3. **Prompt**: what is seen.
4. The light changes within the video: *colour_reference* *source frame*.

Press **Run**. Only InfiniteTalk can dub.
"""

SPEAKERS_NOTE = """\
*placement*: in turn, together, or at times that you write.

Voice 1 is the left half of the picture, voice 2 the right half. Or write one line per voice into \
*boxes*: `x, y, width, height` in pixels of the picture, from its upper left corner. MultiTalk \
Speakers then shows everybody with a number.
"""

SMOOTH_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. *Smoother and larger* puts a frame between every two and makes each twice as wide and high. \
*multiplier* 2 belongs to *fps* 50, 4 to 100: sound stays in step.
3. *scale_by*: 0.5 of the four times that the upscale model makes; 0.25 is the size as it was.
4. All frames are in memory, **8 times** as much as without: for minutes of video, load the mp4 \
afterwards and do this piece by piece.

Press **Run**. The mp4 is saved in `output/video`.
"""

RECORDING_CHANGE_NOTE = """\
1. Choose a **picture** of two people and the **recording** with both voices.
2. *times*: who speaks when, `name start-end` in seconds. A stereo recording with one person left \
and the other right: *split* *left and right*.
3. *Less music and hiss* takes bass and hiss away from what the faces hear. Better: a node of \
another pack that separates voices from music, in its place. What the audience hears stays the \
whole recording (*video_sound*).
4. *boxes*: one line per name, in the order in which they first speak.

Press **Run**. The mp4 is saved in `output/video`.
"""

TOY_RECORDING_NOTE = """\
**One recording** holds both voices. *times* says who speaks when, `name start-end` in seconds, \
and each head moves in its own time only. The audience hears the recording as it is.

**Try**: swap the names in *times*, and each head speaks with the other voice.
"""

TYPED_SPEAKERS_NOTE = """\
*placement*: in turn, together, or at times that you write.

*boxes*: one line per voice, `x, y, width, height` in pixels of the picture, from its upper left \
corner. **Write your own**; head and shoulders are enough. MultiTalk Speakers then shows \
everybody with a number. To change who says what, swap two lines.
"""

TOY_TYPED_SPEAKERS_NOTE = """\
**Who is who**: *boxes* of MultiTalk Speakers, one line per voice: `x, y, width, height` in \
pixels, from the upper left corner. Run once, and the node shows everybody with a number.

**Try**: swap the two lines, and each head speaks with the other voice.
"""

TOY_DETECTED_SPEAKERS_NOTE = """\
**Who speaks when**: *placement* of MultiTalk Tracks. In turn, together, or at times that you write.

**Who is who**: *boxes* of MultiTalk Example stand here for those of a face detector \
(`multitalk_two_speakers_detector` has one): voice 1 is the leftmost person.
"""

DETECTED_CHANGE_NOTE = """\
1. Choose a **picture** of two people and two **voices**; *placement*: in turn or together.
2. Voice 1 is the leftmost face. *num_faces* is the number of **voices**. Nobody found: \
*min_confidence* 0.3.
3. Another order: remove the link to *detections*, write *boxes* by hand.
"""

TOY_STILL_NOTE = """\
One voice, two heads. **Who speaks**: a box around the head that talks. **Who is still**: a box \
around the one that listens. It hears silence.

*outside_speakers* *no audio*: sound does nothing outside both boxes, with a soft edge.

**Try**: swap the boxes of both nodes. Or remove the link to *still* and choose *as trained*.
"""

STILL_CHANGE_NOTE = """\
1. Choose the **voice**, and a **picture** with several people.
2. *Who speaks*: one line in *boxes*, around the head that talks: `x, y, width, height` in \
pixels of the picture.
3. *Who is still*: a line for everybody who listens. They hear silence.
4. *outside_speakers* *no audio*: sound does nothing outside of all boxes, which must hold the \
heads wherever they move. *as trained*: the network decides.

Press **Run**. The mp4 is saved in `output/video`.
"""

TOY_DUB_NOTE = """\
Nothing to download: press **Run**.

One second of 24 frames stands here for your video. **MultiTalk Dub Source** gives 25 per second \
by time stamps; *loop* begins it again until the voice ends. **MultiTalk Mouth Only** takes \
the lower half of the head from the new frames, everything else stays the source's own pixels.

**Try**
- *shorter_source* *hold* or *stop*
- *start_strength* of the sampler
- other *boxes*

The mp4 is saved in `output/video`.
"""

MOUTH_CHANGE_NOTE = """\
1. Choose the **video**, of any frame rate, and the **new voice**.
2. *shorter_source*, *longer_source*: when one is over before the other. *source_sound*: the \
sound of the video under the voice.
3. *boxes* of MultiTalk Mouth Only: around the lower face, in pixels of the video. A face that \
moves: *detections* or *frame_masks* of a face detector.
4. *start_strength* 0.8: begins from the video, so that the head moves alike. Lower follows more.
5. **Prompt**: what is seen.

Press **Run**. Only InfiniteTalk can dub.
"""

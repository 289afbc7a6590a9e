"""The engine: torch in, torch out, no host.

Shape letters used in every docstring of this package:
B batch, S speakers, A audio samples, F frames, T latent frames, H W pixels, h w latent cells,
C channels, L tokens, N heads, D head width, E embedding width, K audio tokens per latent frame,
M encoder layers. Pictures and frames are [F, H, W, 3] float32 in 0..1, latents [B, 16, T, h, w].

Modules in import order, lowest first: config, frames, audio, levels, dialogue, wav2vec2,
audio_attention, speakers, timeline, windows, schedule, guidance, stepcache, color; for files of
weights architecture, block_names, diffusers_names, lora_names, lora, quantize, gguf_blocks,
gguf_file, file_contents, weight_file, layouts, sniff, checkpoint; then settings, generate.
"""

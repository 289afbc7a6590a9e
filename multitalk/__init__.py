"""The engine: torch in, torch out, no host.

Shape letters used in every docstring of this package:
B batch, S speakers, A audio samples, F frames, T latent frames, H W pixels, h w latent cells,
C channels, L tokens, N heads, D head width, E embedding width, K audio tokens per latent frame,
M encoder layers. Pictures and frames are [F, H, W, 3] float32 in 0..1, latents [B, 16, T, h, w].
"""

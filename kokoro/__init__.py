"""Speech: text in, a waveform at 24 kHz with word timings out; no host, and not the engine.

Two synthesizers: Kokoro-82M (StyleTTS 2 without its diffusion, iSTFTNet) and espeak-ng.

Shape letters used in every docstring of this package:
A audio samples, C channels, P phoneme ids with the boundaries, Fr frames of 600 samples (25 ms),
T time steps. The batch is always 1.
"""

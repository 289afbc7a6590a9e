"""How files of weights end."""

SAFETENSORS_SUFFIX = ".safetensors"
SAFETENSORS_SUFFIXES = (SAFETENSORS_SUFFIX, ".sft")
PICKLE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
GGUF_SUFFIX = ".gguf"

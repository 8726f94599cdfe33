"""Align1D on NVIDIA GPUs: one CUDA source, compiled at first use by NVRTC and launched through the driver."""

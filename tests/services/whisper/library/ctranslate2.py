"""A stand-in for CTranslate2 on a machine whose GPUs the environment tells."""

import os


def get_cuda_device_count() -> int:
    return int(os.environ.get("STAND_IN_GPUS", "0"))


def get_supported_compute_types(device: str) -> set[str]:
    return {"float16", "int8"} if device == "cuda" else {"int8", "float32"}

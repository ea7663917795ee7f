"""A directory with somebody's model in; which kinds of ASR its files can make, or which files it lacks, out.

The kinds, with models of the sherpa-onnx project that are known by these names:

    streaming transducer   sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20 (Chinese, English)
                           sherpa-onnx-streaming-zipformer-ar_en_id_ja_ru_th_vi_zh-2025-02-10 (with Japanese)
    streaming paraformer   sherpa-onnx-streaming-paraformer-bilingual-zh-en
    streaming CTC          sherpa-onnx-streaming-zipformer-ctc-multi-zh-hans-2023-12-13
    SenseVoice             sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17 (all three languages; whole utterances)
    transducer             sherpa-onnx-zipformer-ja-reazonspeech-2024-08-01 (whole utterances)
    paraformer             sherpa-onnx-paraformer-zh-2024-03-09 (whole utterances)
    Whisper                sherpa-onnx-whisper-small and its like (whole utterances)

The same file names serve several kinds, and only loading tells them apart: the likeliest kind comes first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.engine_choice import EngineUnavailable

WHOLE_DIRECTORY = (
    "a model directory holds tokens.txt and either encoder*.onnx, decoder*.onnx and joiner*.onnx (a transducer), or "
    "encoder*.onnx and decoder*.onnx (paraformer, Whisper), or one model*.onnx (CTC, SenseVoice, paraformer)"
)
LFS_POINTER = b"version https://git-lfs"
WHISPER_S = 28.0  # it hears 30 s at once, and no more


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of ASR. `maker`: a class method of OnlineRecognizer (where `streaming`) or OfflineRecognizer."""

    name: str
    maker: str
    streaming: bool
    parts: tuple[str, ...]  # of encoder, decoder, joiner; or one other for the only file
    hints: tuple[str, ...] = ()  # in the names of the directory and its files
    options: Mapping[str, Any] = field(default_factory=dict)
    longest_s: float = float("inf")  # that it can hear at once


TRANSDUCER = ("encoder", "decoder", "joiner")
KINDS = (
    Kind("streaming transducer", "from_transducer", True, TRANSDUCER, ("streaming", "chunk")),
    Kind("streaming paraformer", "from_paraformer", True, ("encoder", "decoder"), ("streaming",)),
    Kind("streaming zipformer CTC", "from_zipformer2_ctc", True, ("model",), ("streaming", "chunk")),
    Kind("streaming NeMo CTC", "from_nemo_ctc", True, ("model",), ("streaming", "nemo")),
    Kind("streaming WeNet CTC", "from_wenet_ctc", True, ("model",), ("streaming", "wenet")),
    Kind("transducer", "from_transducer", False, TRANSDUCER),
    Kind("NeMo transducer", "from_transducer", False, TRANSDUCER, ("nemo",), {"model_type": "nemo_transducer"}),
    Kind("Whisper", "from_whisper", False, ("encoder", "decoder"), ("whisper",), {"language": ""}, WHISPER_S),
    Kind("FireRedAsr", "from_fire_red_asr", False, ("encoder", "decoder"), ("fire-red",)),
    Kind("SenseVoice", "from_sense_voice", False, ("model",), ("sense-voice", "sense_voice"), {"use_itn": True}),
    Kind("paraformer", "from_paraformer", False, ("paraformer",), ("paraformer",)),
    Kind("zipformer CTC", "from_zipformer_ctc", False, ("model",), ("zipformer-ctc",)),
    Kind("NeMo CTC", "from_nemo_ctc", False, ("model",), ("nemo",)),
    Kind("Dolphin CTC", "from_dolphin_ctc", False, ("model",), ("dolphin",)),
)


@dataclass(frozen=True, slots=True)
class Model:
    """One kind that the files of a directory can make."""

    kind: Kind
    files: Mapping[str, str]  # as the kind's maker names them -> absolute path


def find_models(directory: Path) -> list[Model]:
    """The likeliest first, never none.

    Raises:
        EngineUnavailable: it is no directory, or files are missing.
    """
    if not directory.is_dir():
        what = "is no directory" if directory.exists() else "does not exist"
        raise _unavailable(f"{directory} {what}; {WHOLE_DIRECTORY}")
    names = sorted(path.name for path in directory.iterdir() if path.is_file())
    files = _files(names)
    if missing := _missing(names, files):
        raise _unavailable(f"{directory} has no {' and no '.join(missing)}; {WHOLE_DIRECTORY}")
    for name in files.values():
        if fault := _fault_of(directory / name):
            raise _unavailable(f"{directory / name} {fault}; download the model again")
    words = " ".join((directory.name, *names)).lower()
    kinds = [kind for kind in KINDS if _needs(kind) == files.keys()]
    kinds.sort(key=lambda kind: -sum(hint in words for hint in kind.hints))  # equals stay in their order
    return [
        Model(kind, {_argument(kind, part): str(directory / name) for part, name in files.items()}) for kind in kinds
    ]


def _unavailable(what: str) -> EngineUnavailable:
    return EngineUnavailable(f"sherpa.model_dir: {what}")


def _needs(kind: Kind) -> set[str]:
    return {"tokens", *(kind.parts if len(kind.parts) > 1 else ("model",))}


def _argument(kind: Kind, part: str) -> str:
    return kind.parts[0] if part == "model" else part


def _files(names: Iterable[str]) -> dict[str, str]:
    """Part -> the name of its file, for the parts that are there."""
    names = list(names)
    models = [name for name in names if name.endswith(".onnx")]
    found = {"tokens": [name for name in names if name == "tokens.txt"] or _ending(names, "tokens.txt")}
    found |= {part: [name for name in models if part in name] for part in TRANSDUCER}
    if not any(found[part] for part in TRANSDUCER):
        found["model"] = models
    return {part: _best(part, candidates, bool(found["joiner"])) for part, candidates in found.items() if candidates}


def _ending(names: Iterable[str], end: str) -> list[str]:
    return [name for name in names if name.endswith(end)]


def _best(part: str, names: list[str], transducer: bool) -> str:
    """Of several the one of 8 bits: half the time, and what is lost cannot be heard. But for a transducer's decoder,
    which is so small that it only loses."""
    small = [name for name in names if ".int8." in name]
    large = [name for name in names if ".int8." not in name]
    first = large + small if transducer and part == "decoder" else small + large
    return first[0]


def _missing(names: Iterable[str], files: Mapping[str, str]) -> list[str]:
    missing = [] if "tokens" in files else ["tokens.txt"]
    if "model" in files:
        return missing
    if not files.keys() & set(TRANSDUCER):
        packed = [name for name in names if ".tar" in name]
        return [*missing, "*.onnx" + (f" ({packed[0]} is still packed)" if packed else "")]
    wanted = TRANSDUCER if "joiner" in files else TRANSDUCER[:2]
    return missing + [f"{part}*.onnx" for part in wanted if part not in files]


def _fault_of(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(len(LFS_POINTER))
    if not start:
        return "is empty"
    return "is a pointer of Git LFS and not the file itself" if start == LFS_POINTER else None

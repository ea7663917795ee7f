"""Whisper on this machine, by faster-whisper in a process of its own, with a model of the operator's."""

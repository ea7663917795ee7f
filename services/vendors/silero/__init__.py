"""Silero's network for voice activity, computed with numpy: a VAD in this process."""

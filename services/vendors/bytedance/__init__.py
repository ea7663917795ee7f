"""ByteDance's large model for speech recognition: an ASR over a WebSocket with binary frames of its own."""

"""GPT-SoVITS, its `api_v2.py`: a voice cloned from a recording, another recording for each emotion, streamed."""

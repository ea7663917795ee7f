"""Style-Bert-VITS2, its `server_fastapi.py`: Japanese with styles; a sentence in parts, each as a whole WAV."""

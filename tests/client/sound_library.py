"""A folder in; modules in the place of the library sounddevice, for machines without sound, out."""

from pathlib import Path

# In the place of the library: a microphone that hears a loud tone at all times, and a speaker that plays for 0.7 s.
SOUNDDEVICE = """
import threading, time
class PortAudioError(Exception): ...
DEVICES = [
    {"name": "Quiet Box", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 48000.0},
    {"name": "USB Mic", "max_input_channels": 1, "max_output_channels": 0, "default_samplerate": 48000.0},
    {"name": "USB Camera", "max_input_channels": 2, "max_output_channels": 0, "default_samplerate": 44100.0},
]
class default: device = (1, 0)
def query_devices(device=None, kind=None):
    return DEVICES if kind is None else DEVICES[default.device[kind == "output"] if device is None else device]
def check_input_settings(device, channels, dtype, samplerate):
    if device == 2 and samplerate != 44100: raise PortAudioError("Invalid sample rate")
class RawInputStream:
    def __init__(self, samplerate, blocksize, device, channels, dtype, callback):
        self.seconds, self.block = blocksize / samplerate, b"\\x00\\x20" * blocksize * channels
        self.frames, self.callback, self.open = blocksize, callback, True
    def start(self): threading.Thread(target=self.run, daemon=True).start()
    def run(self):
        while self.open:
            time.sleep(self.seconds)
            if self.open: self.callback(self.block, self.frames, None, None)
    def close(self): self.open = False
class RawOutputStream:
    def __init__(self, samplerate, channels, dtype, device=None): pass
    def start(self): pass
    def write(self, pcm): pass
    def stop(self): time.sleep(0.7)
    def close(self): pass
"""


def install_sounddevice(folder: Path, source: str = SOUNDDEVICE) -> str:
    folder.mkdir()
    (folder / "sounddevice.py").write_text(source)
    return str(folder)


MISSING = {
    "no library": "raise OSError('PortAudio library not found')",
    "no device": """
class PortAudioError(Exception): ...
class default: device = (-1, -1)
def query_devices(device=None, kind=None):
    if kind: raise PortAudioError('Error querying device -1')
    return []
def RawOutputStream(**_): raise PortAudioError('Error querying device -1')
""",
}

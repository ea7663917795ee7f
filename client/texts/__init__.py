"""Every sentence that the client says, by name: in Chinese, English, Japanese. `language.py` chooses.

A table for each purpose; what stands in braces is the same in all three languages. A new text, or the code of a new
error, is a new entry. Python 3.8 must be able to read these files.
"""

from client.texts.codes import CODES
from client.texts.command_line import COMMAND_LINE
from client.texts.connections import CONNECTIONS
from client.texts.sound import SOUND
from client.texts.talk import TALK

TEXTS = {**COMMAND_LINE, **TALK, **SOUND, **CONNECTIONS, **CODES}

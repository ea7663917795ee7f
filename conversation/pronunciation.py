"""Pure: a sentence in, what the synthesiser is given out: names as kana, and no stage direction, emoji or Markdown."""

import re
from collections.abc import Mapping

"""VOICEVOX ENGINE and its compatible ones (AivisSpeech): a query for a sentence, then its sound; morae with times."""

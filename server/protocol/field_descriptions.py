"""What the fields and the vocabularies of the messages mean, a line each, for those who read GET /asyncapi.json.

A field's name means the same in every message that has it. docs/wire.md tells more.
"""

FIELDS = {
    "type": "Which message this is.",
    "api_token": "The token of the user; never in the address.",
    "character_name": "A name out of GET /characters; case does not matter.",
    "extensions": "Names of extensions: those a client asks for, or those it was granted.",
    "content": "What the user typed.",
    "audio_base64": "Samples (signed 16-bit little-endian, mono) in base64; of `audio_message` also a whole WAV file.",
    "limit": "How many messages at most.",
    "before": "The id of a message: only older ones. Null: the newest.",
    "character": "The name of the character that listens.",
    "character_display_name": "Its name for people.",
    "message": "A sentence for people, which may change.",
    "session_id": "This connection, as the log of the server calls it.",
    "audio_format": "How the samples are written.",
    "audio_sample_rate": "Samples a second.",
    "turn_id": "The turn this belongs to. With the extension `turns`.",
    "text": "What was heard or is spoken.",
    "is_partial": "It may still change.",
    "content_cn": "Chinese.",
    "content_jp": "Japanese.",
    "incomplete": "The reply was cut.",
    "retryable": "The same again may work.",
    "retry_after_ms": "Wait for so long before you try again.",
    "ref": "A defect of the server's own; its log has the same id.",
    "turn_number": "Counts the turns of this connection from 1.",
    "timings_ms": "Milliseconds to each moment of the turn that happened.",
    "index": "Counts the sentences of this turn from 0.",
    "start_ms": "Length of all audio of this turn that was sent before.",
    "at_ms": "Milliseconds into the audio received in this mode.",
    "elapsed_time": "Seconds.",
    "messages": "What was said, the newest last.",
    "more": "There are older ones.",
    "id": "Grows from message to message.",
    "emotion": "How it was said; null for what the user said.",
    "at": "When: ISO 8601 in UTC, with milliseconds.",
}

VOCABULARIES = {
    "Emotion": "How something is said; `auto` where the model named none of the others.",
    "ErrorCode": "Why. Later versions may add some; take an unknown one by `retryable`.",
    "AudioErrorCode": "Why there is no voice, or not all of it.",
    "IncompleteReason": "Why a reply was cut.",
    "DisconnectReason": "Why the server hangs up.",
    "TurnInput": "How the user said it.",
    "TurnStatus": "How a turn ended; `interrupted` is reserved.",
    "Extension": "A part of the protocol that a client gets only if it asks for it.",
    "HistoryRole": "Who said it: the user or the character.",
}

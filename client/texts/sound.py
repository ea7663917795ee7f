"""What is said of sound: devices, the microphone, the speaker, WAV files."""

SOUND = {
    # ------------------------------------------------ sound
    "microphone": ("麦克风", "microphone", "マイク"),
    "speaker": ("扬声器", "speaker", "スピーカー"),
    "devices": ("{kind}（--{option}-device）：", "{kind} (--{option}-device):", "{kind}（--{option}-device）："),
    "devices_none": ("没有{kind}", "no {kind}", "{kind}なし"),
    "no_devices": (
        "这台机器上没有声音设备",
        "This machine has no sound devices",
        "このマシンに音声デバイスはありません",
    ),
    "no_such_device": (
        "没有叫“{name}”的{kind}；用 --list-devices 看有哪些",
        "There is no {kind} called “{name}”; --list-devices shows what there is",
        "「{name}」という{kind}はありません。--list-devices で一覧を表示します",
    ),
    "several_devices": (
        "名字里有“{name}”的{kind}不止一个，请给编号：{choice}",
        "More than one {kind} has “{name}” in its name; please give its number: {choice}",
        "名前に「{name}」を含む{kind}が複数あります。番号で指定してください：{choice}",
    ),
    "no_portaudio": ("没有 PortAudio 库", "The library PortAudio is missing", "PortAudio ライブラリがありません"),
    "mend_portaudio": (
        "Debian 上请运行 apt-get install libportaudio2",
        "on Debian: apt-get install libportaudio2",
        "Debian では apt-get install libportaudio2 を実行してください",
    ),
    "no_sounddevice": (
        "没有 Python 库 sounddevice",
        "The Python library sounddevice is missing",
        "Python ライブラリ sounddevice がありません",
    ),
    "mend_sounddevice": (
        "请 pip install sounddevice",
        "pip install sounddevice",
        "pip install sounddevice を実行してください",
    ),
    "and_mend": ("{lack}；{mend}", "{lack}; {mend}", "{lack}。{mend}"),
    "no_output": (
        "没有可用的声音输出设备，只显示文字；要听到声音，请接上或启用扬声器（{error}）",
        "There is no usable sound output, only text is shown; to hear something, plug in or enable a speaker ({error})",
        "使える音声出力がないので、文字だけ表示します。音を聞くにはスピーカーをつなぐか有効にしてください（{error}）",
    ),
    "silent_and_mend": (
        "{lack}，只显示文字；要听到声音，{mend}",
        "{lack}, only text is shown; to hear something: {mend}",
        "{lack}。文字だけ表示します。音を聞くには、{mend}",
    ),
    "silent_for_now": (
        "{reason}；先只显示文字",
        "{reason}; only text is shown for now",
        "{reason}。今は文字だけ表示します",
    ),
    "sound_overflowed": (
        "声音太长，放不下的部分没有播放",
        "The sound is too long; what did not fit was not played",
        "音声が長すぎるため、入りきらない部分は再生しませんでした",
    ),
    "sound_unreadable": (
        "服务器发来的声音不是 16 位单声道 pcm，这样的部分既不播放也不保存",
        "The server sent sound that is not 16-bit mono pcm; such parts are neither played nor saved",
        "サーバーからの音声が 16 ビットモノラル pcm ではないので、その部分は再生も保存もしません",
    ),
    "no_microphone": (
        "没有可用的麦克风；请接上、启用它，并允许终端使用它（{error}）",
        "There is no usable microphone; plug it in, enable it and allow the terminal to use it ({error})",
        "使えるマイクがありません。接続して有効にし、端末からの使用を許可してください（{error}）",
    ),
    "no_microphone_and_mend": (
        "{lack}，用不了麦克风；{mend}",
        "{lack}, the microphone cannot be used; {mend}",
        "{lack}。マイクが使えません。{mend}",
    ),
    "microphone_silent": (
        "麦克风不再送来声音；它还接着吗？",
        "No more sound comes from the microphone; is it still plugged in?",
        "マイクから音が来なくなりました。つながっていますか",
    ),
    "microphone_overflowed": (
        "送得太慢，丢了最早的一点声音",
        "Sending is too slow; a little of the oldest sound was lost",
        "送信が間に合わず、古い音声を少し失いました",
    ),
    "typing_works": ("{reason}；打字照常", "{reason}; typing works as always", "{reason}。文字はいつもどおり打てます"),
    "not_yet": (
        "还不能说话：等连上了、角色说完了，再按回车",
        "Not yet: press Enter once you are connected and the character has finished",
        "まだ話せません。接続し、キャラクターが話し終わってから Enter を押してください",
    ),
    "muted": ("○ 等角色说完", "○ wait for the character to finish", "○ 相手が話し終わるのを待っています"),
    # ------------------------------------------------ WAV files
    "wav_mend": (
        "可以用 ffmpeg -i 原文件 -ac 1 -ar 16000 -c:a pcm_s16le 新文件.wav 转换",
        "convert it: ffmpeg -i OLD -ac 1 -ar 16000 -c:a pcm_s16le NEW.wav",
        "ffmpeg -i 元ファイル -ac 1 -ar 16000 -c:a pcm_s16le 新ファイル.wav で変換できます",
    ),
    "wav_unreadable": ("读不了 {path}：{error}", "Cannot read {path}: {error}", "{path} を読めません：{error}"),
    "wav_too_large": (
        "{path} 太大；最大 256 MB",
        "{path} is too large; at most 256 MB",
        "{path} は大きすぎます。最大 256 MB です",
    ),
    "wav_too_large_at_once": (
        "{path} 太大；一次发送的文件最大 2.2 MB；加上 --voice 就边播放边发送",
        "{path} is too large; a file sent at once may have 2.2 MB; with --voice it is sent in real time",
        "{path} は大きすぎます。一度に送れるのは 2.2 MB までです。--voice を付けると実時間で送ります",
    ),
    "wav_is_none": (
        "{path} 不是 WAV 文件；{mend}",
        "{path} is not a WAV file; {mend}",
        "{path} は WAV ファイルではありません。{mend}",
    ),
    "wav_broken": (
        "{path} 的 WAV 文件头坏了；{mend}",
        "{path} is a WAV file with a broken header; {mend}",
        "{path} は WAV のヘッダーが壊れています。{mend}",
    ),
    "wav_compressed": (
        "{path} 里是压缩的声音（格式 {format}）；{mend}",
        "{path} holds compressed sound (format {format}); {mend}",
        "{path} の音声は圧縮されています（形式 {format}）。{mend}",
    ),
    "wav_odd": (
        "{path} 是 {channels} 声道、{bits} 位、{rate_hz} Hz，这里用不了；{mend}",
        "{path} has {channels} channels, {bits} bits, {rate_hz} Hz, which cannot be used here; {mend}",
        "{path} は {channels} チャンネル、{bits} ビット、{rate_hz} Hz で、ここでは使えません。{mend}",
    ),
    "wav_empty": ("{path} 里没有声音", "There is no sound in {path}", "{path} に音声がありません"),
    "file_unanswered": (
        "文件里的话都说完了，没有听到回答",
        "All that is in the file was said, and no answer came",
        "ファイルの音声は最後まで流しましたが、返事はありませんでした",
    ),
}

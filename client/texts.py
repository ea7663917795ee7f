"""Every sentence that the client says, by name: in Chinese, English, Japanese. `language.py` chooses.

What stands in braces is the same in all three. A new text, or the code of a new error, is a new entry.
Longer than the house likes, because one table is easier to keep whole than several.
"""

TEXTS = {
    # ------------------------------------------------ before it starts
    "library_missing": (
        "缺少 Python 库 {name}。请运行：{command}",
        "The Python library {name} is missing. Please run: {command}",
        "Python ライブラリ {name} がありません。次を実行してください：{command}",
    ),
    "python_too_old": (
        "这里是 Python {version}，需要 3.11 或更新的。装好之后请运行：{command}",
        "This is Python {version}; 3.11 or newer is needed. With that installed, please run: {command}",
        "これは Python {version} です。3.11 以降が必要です。インストール後に実行してください：{command}",
    ),
    # ------------------------------------------------ the help
    "usage_prefix": ("用法：", "Usage: ", "使い方："),
    "usage": (
        "python client/test_client.py [选项]",
        "python client/test_client.py [options]",
        "python client/test_client.py [オプション]",
    ),
    "description": (
        "和角色聊天的命令行客户端",
        "A command line client for talking with a character",
        "キャラクターと話すコマンドラインクライアント",
    ),
    "options": ("选项", "options", "オプション"),
    "options_voice": ("语音", "voice", "音声"),
    "epilog": ("聊天时的命令：{commands}", "Commands while you talk: {commands}", "会話中のコマンド：{commands}"),
    "help_token": (
        "令牌，默认取环境变量 {variable}，没有则是 {default}",
        "your token; by default that of the environment variable {variable}, else {default}",
        "トークン。省略時は環境変数 {variable}、なければ {default}",
    ),
    "help_url": (
        "服务器地址，默认 {default}；也可写成 主机:端口",
        "the server's address, by default {default}; host:port will do as well",
        "サーバーのアドレス。既定は {default}。ホスト:ポート とも書けます",
    ),
    "help_character": (
        "角色名，默认由服务器决定",
        "the character's name; by default the server's choice",
        "キャラクター名。省略時はサーバーが決めます",
    ),
    "help_message": (
        "只说这一句，等到回答就结束，声音存成 WAV",
        "say only this, wait for the answer, save its sound as WAV, and end",
        "この一言だけを送り、返事の音声を WAV に保存して終わります",
    ),
    "help_save": (
        "把每个回答的声音存成 WAV 文件，默认目录 {default}/",
        "save the sound of every answer as a WAV file, by default under {default}/",
        "返事の音声を毎回 WAV ファイルに保存します。既定のフォルダーは {default}/",
    ),
    "help_no_audio": ("不播放声音", "play no sound", "音声を再生しません"),
    "help_help": ("显示这份帮助", "show this help", "このヘルプを表示します"),
    "help_voice": (
        "用麦克风说话：按回车开始，再按回车结束；也可以打字",
        "talk into the microphone: Enter begins, Enter ends; you can type as well",
        "マイクで話します。Enter で開始、もう一度 Enter で終了。文字も打てます",
    ),
    "help_agent": (
        "免按键连续对话：直接说话，说完自动回答；也可以打字",
        "nothing to press: just talk, the answer comes when you have finished; you can type as well",
        "ハンズフリー会話：そのまま話せば、話し終わりに返事が来ます。文字も打てます",
    ),
    "help_wav": (
        "不用麦克风，说 WAV 文件里的话，可以给多次；单用时整个文件一次发送，配 --voice 或 --agent 时按实时速度说",
        "say what is in a WAV file instead of using a microphone, may be given several times; "
        "alone the file is sent whole, with --voice or --agent in real time",
        "マイクの代わりに WAV ファイルの音声を使います。何度でも指定できます。"
        "単独では一度に送り、--voice や --agent と一緒なら実時間で流します",
    ),
    "help_headset": (
        "戴着耳机：角色说话时不关麦克风，开口就能打断；Ctrl-C 或空格也能",
        "you wear a headset: the microphone stays open, and speaking interrupts the character; so do Ctrl-C and Space",
        "ヘッドホン使用：マイクを切らず、話しかければ割り込めます。Ctrl-C とスペースでも止まります",
    ),
    "help_list_devices": ("列出声音设备就结束", "list the sound devices and end", "音声デバイスを一覧して終わります"),
    "help_input_device": (
        "麦克风：设备编号，或者名字的一部分",
        "the microphone: its number, or a part of its name",
        "マイク：デバイス番号、または名前の一部",
    ),
    "help_output_device": (
        "扬声器：设备编号，或者名字的一部分",
        "the speaker: its number, or a part of its name",
        "スピーカー：デバイス番号、または名前の一部",
    ),
    "unknown_arguments": (
        "看不懂 {arguments}；加上 --help 看有哪些选项",
        "{arguments} is not known; --help lists the options",
        "{arguments} は使えません。--help で一覧を表示します",
    ),
    "voice_or_agent": (
        "--voice 和 --agent 只能选一个",
        "--voice and --agent exclude each other",
        "--voice と --agent はどちらか一方だけです",
    ),
    "message_or_voice": (
        "--message 说的是文字，不能和 --voice、--agent、--wav 同用",
        "--message is text and excludes --voice, --agent and --wav",
        "--message は文字なので、--voice、--agent、--wav とは一緒に使えません",
    ),
    # ------------------------------------------------ commands at the prompt
    "commands": (
        "直接输入文字就是和角色说话。命令：",
        "What you type is said to the character. Commands:",
        "入力した文字はそのままキャラクターに届きます。コマンド：",
    ),
    "command_switch": (
        "<角色名>  换一个角色，例如 /switch anon",
        "<name>  talk with another character, e.g. /switch anon",
        "<名前>  キャラクターを替えます。例：/switch anon",
    ),
    "command_clear": (
        "清除和当前角色的对话历史",
        "forget the talk with this character",
        "このキャラクターとの会話履歴を消します",
    ),
    "command_save": (
        "开启或关闭保存声音（每个回答一个 WAV 文件）",
        "start or stop saving the sound (a WAV file for each answer)",
        "音声の保存を入／切します（返事ごとに WAV ファイル一つ）",
    ),
    "command_help": ("显示这份帮助", "show this help", "このヘルプを表示します"),
    "command_quit": (
        "退出，也可以用 /exit 或 Ctrl-D",
        "leave; so do /exit and Ctrl-D",
        "終了。/exit や Ctrl-D でも同じ",
    ),
    "command_exit": ("同 /quit", "the same as /quit", "/quit と同じ"),
    "command_unknown": (
        "没有 {command} 这个命令；可用的有 {commands}",
        "There is no command {command}; there are {commands}",
        "{command} というコマンドはありません。使えるのは {commands} です",
    ),
    "switch_to_whom": (
        "换成谁？例如 /switch anon",
        "Whom to talk with? E.g. /switch anon",
        "誰に替えますか。例：/switch anon",
    ),
    "saving_on": (
        "保存声音：开：每个回答一个 WAV 文件，放在 {folder}/",
        "Saving the sound: on, a WAV file for each answer under {folder}/",
        "音声の保存：入（返事ごとに WAV ファイル一つ、{folder}/ に）",
    ),
    "saving_off": ("保存声音：关", "Saving the sound: off", "音声の保存：切"),
    "prompt": ("你> ", "you> ", "あなた> "),
    "hint_voice": (
        "按回车说话，说完再按回车；也可以直接打字，/help 看命令，Ctrl-D 退出",
        "Press Enter, talk, press Enter again; or just type. /help lists the commands, Ctrl-D leaves",
        "Enter を押して話し、終わったらもう一度 Enter。文字も打てます。/help でコマンド一覧、Ctrl-D で終了",
    ),
    "hint_agent": (
        "直接说话就行，说完会自动回答；也可以打字，/help 看命令，Ctrl-D 退出",
        "Just talk, the answer comes when you have finished; or type. /help lists the commands, Ctrl-D leaves",
        "そのまま話してください。話し終わると返事が来ます。文字も打てます。/help でコマンド一覧、Ctrl-D で終了",
    ),
    "hint_text": (
        "直接输入文字就能聊天，/help 看命令，Ctrl-D 退出",
        "Just type. /help lists the commands, Ctrl-D leaves",
        "そのまま入力してください。/help でコマンド一覧、Ctrl-D で終了",
    ),
    # ------------------------------------------------ the talk
    "connected": (
        "已连接，正在和 {character} 说话",
        "Connected; you are talking with {character}",
        "接続しました。相手は {character} です",
    ),
    "switched": ("已换成 {character}", "You are talking with {character} now", "相手が {character} に替わりました"),
    "history_cleared": ("对话历史已清除", "The talk is forgotten", "会話履歴を消しました"),
    "someone": ("角色", "character", "キャラクター"),
    "line_ja": ("  日 {text}  [{emotion}]", "  JA {text}  [{emotion}]", "  日 {text}  [{emotion}]"),
    "line_zh": ("  中 {text}", "  ZH {text}", "  中 {text}"),
    "you_said": ("你：{text}", "You: {text}", "あなた：{text}"),
    "incomplete": (
        "  （回答没有说完：{reason}）",
        "  (the answer was not finished: {reason})",
        "  （返事は途中までです：{reason}）",
    ),
    "without_sound": ("  （没有声音：{reason}）", "  (no sound: {reason})", "  （音声なし：{reason}）"),
    "saved": (
        "  已保存 {path}（{seconds} 秒）",
        "  saved {path} ({seconds} s)",
        "  {path} に保存しました（{seconds} 秒）",
    ),
    "saved_partly": (
        "  已保存 {path}（{seconds} 秒，太长，后面的没有保存）",
        "  saved {path} ({seconds} s; it is too long, the rest was not kept)",
        "  {path} に保存しました（{seconds} 秒。長すぎるので続きは保存していません）",
    ),
    "not_saved": (
        "  存不了声音：{error}（{folder}/）",
        "  cannot save: {error} ({folder}/)",
        "  保存できません：{error}（{folder}/）",
    ),
    "nothing_to_save": (
        "  （这个回答没有声音，没有保存文件）",
        "  (this answer has no sound, no file was saved)",
        "  （この返事には音声がなく、ファイルは保存していません）",
    ),
    "first_sound": ("首音 {ms} 毫秒", "first sound {ms} ms", "最初の音まで {ms} ミリ秒"),
    "first_sound_server": ("服务器计 {ms} 毫秒", "by the server {ms} ms", "サーバーでは {ms} ミリ秒"),
    "in_brackets": ("  （{text}）", "  ({text})", "  （{text}）"),
    "comma": ("，", ", ", "、"),
    "list_comma": ("、", ", ", "、"),
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
    # ------------------------------------------------ addresses and connections
    "url_unreadable": (
        "地址 {url} 看不懂：{error}",
        "The address {url} makes no sense: {error}",
        "アドレス {url} が解釈できません：{error}",
    ),
    "url_scheme": (
        "地址 {url} 要以 ws:// 或 wss:// 开头，不是 {scheme}://",
        "The address {url} must begin with ws:// or wss://, not with {scheme}://",
        "アドレス {url} は {scheme}:// ではなく ws:// か wss:// で始めてください",
    ),
    "url_brackets": (
        "地址 {url} 看不懂：方括号里要是一个完整的 IPv6 地址，例如 ws://[::1]:8765/ws",
        "The address {url} makes no sense: brackets hold a whole IPv6 address, e.g. ws://[::1]:8765/ws",
        "アドレス {url} が解釈できません。角括弧の中は完全な IPv6 アドレスです。例：ws://[::1]:8765/ws",
    ),
    "url_no_host": (
        "地址 {url} 里没有主机名；例如 ws://localhost:8765/ws",
        "The address {url} has no host name; e.g. ws://localhost:8765/ws",
        "アドレス {url} にホスト名がありません。例：ws://localhost:8765/ws",
    ),
    "cannot_connect": (
        "连不上 {url}：{reason}",
        "Cannot connect to {url}: {reason}",
        "{url} に接続できません：{reason}",
    ),
    "http_status": (
        "服务器回答 HTTP {status}",
        "the server answers HTTP {status}",
        "サーバーの応答は HTTP {status} でした",
    ),
    "http_404": (
        "服务器回答 HTTP 404；地址里的路径对吗？通常是 /ws",
        "the server answers HTTP 404; is the path of the address right? It is usually /ws",
        "サーバーの応答は HTTP 404 でした。アドレスのパスは正しいですか。普通は /ws です",
    ),
    "bad_proxy": (
        "系统设置的代理不能用（{error}）",
        "the proxy of the system's settings cannot be used ({error})",
        "システムに設定されたプロキシが使えません（{error}）",
    ),
    "socks_proxy": (
        "系统设置了 SOCKS 代理；请 pip install python-socks，或取消 ALL_PROXY 等环境变量",
        "the system is set to a SOCKS proxy; pip install python-socks, or unset ALL_PROXY and the like",
        "SOCKS プロキシが設定されています。pip install python-socks を実行するか、"
        "ALL_PROXY などの環境変数を外してください",
    ),
    "tls_failed": (
        "TLS 没有谈成（{error}）；没有证书的服务器请用 ws:// 而不是 wss://",
        "TLS failed ({error}); a server without a certificate needs ws:// and not wss://",
        "TLS の接続に失敗しました（{error}）。証明書のないサーバーには wss:// でなく ws:// を使ってください",
    ),
    "address_impossible": ("这个地址不成立", "this address is impossible", "このアドレスは成り立ちません"),
    "no_websocket": (
        "那里应答的不是 WebSocket 服务器，或者它正在启动",
        "what answers there is no WebSocket server, or it is just starting",
        "応答したのは WebSocket サーバーではないか、起動中です",
    ),
    "no_such_host": ("找不到这个主机名", "this host name is not known", "このホスト名が見つかりません"),
    "no_answer": ("{seconds} 秒内没有应答", "no answer within {seconds} s", "{seconds} 秒以内に応答がありません"),
    "cut_at_once": (
        "对方没有回答就断开了；ws:// 和 wss:// 没有弄错吗？",
        "the other side hung up without an answer; are ws:// and wss:// mixed up?",
        "応答なしに切断されました。ws:// と wss:// を間違えていませんか",
    ),
    "network_down": (
        "到那里的网络不通（{error}）",
        "the network does not lead there ({error})",
        "そこへのネットワークが通じません（{error}）",
    ),
    "no_server": (
        "那里没有服务器在应答（请先启动它）",
        "no server answers there (start it first)",
        "応答するサーバーがありません（先に起動してください）",
    ),
    "try_again_in": (
        "{reason}；{seconds} 秒后再试",
        "{reason}; next try in {seconds} s",
        "{reason}。{seconds} 秒後に再試行します",
    ),
    "try_for_ever": (
        "{reason}；会一直再试，连上时告诉你（Ctrl-C 退出）",
        "{reason}; trying on, you will be told when it works (Ctrl-C leaves)",
        "{reason}。接続できるまで試し続けます（Ctrl-C で終了）",
    ),
    "sent_later": (
        "还没有连上，连上以后就发出去",
        "Not connected yet; it is sent as soon as that is so",
        "まだ接続していません。接続したら送ります",
    ),
    "not_sent": (
        "前面的还没有发出去，这一句先不发了；连上以后请再说一遍",
        "What came before is not sent yet, so this is not sent; please say it again once you are connected",
        "前の分がまだ送れていないので、これは送りません。接続したらもう一度どうぞ",
    ),
    "lost": (
        "{reason}，有 {count} 句没有等到回答",
        "{reason}; unanswered: {count}",
        "{reason}。返事のない発言：{count}",
    ),
    "lost_say_again": (
        "{reason}，有 {count} 句没有等到回答，请再说一遍",
        "{reason}; unanswered: {count}, please say it again",
        "{reason}。返事のない発言：{count}。もう一度どうぞ",
    ),
    "token_came_from": (
        "{reason}，它来自{source}；请用 --token 或环境变量 {variable} 给出它认识的令牌"
        "（{default} 只在没有设置令牌的服务器上、从本机连接时有效）",
        "{reason}, which comes from {source}; give one that it knows with --token or the environment variable "
        "{variable} ({default} is valid only from the same machine, on a server without tokens)",
        "{reason}（{source}）。--token か環境変数 {variable} で有効なトークンを指定してください"
        "（{default} が使えるのは、トークンを設定していないサーバーに同じマシンから接続するときだけです）",
    ),
    "token_of_option": (" --token", "--token", "--token"),
    "token_of_variable": ("环境变量 {variable}", "the environment variable {variable}", "環境変数 {variable}"),
    "token_of_default": ("默认值", "the default", "既定値"),
    # ------------------------------------------------ how a connection ended, by close code
    "close": ("连接断了（{why}）", "The connection ended ({why})", "接続が切れました（{why}）"),
    "close.1000": ("服务器结束了对话", "The server ended the talk", "サーバーが会話を終えました"),
    "close.1005": ("连接断了", "The connection broke", "接続が切れました"),
    "close.1006": ("连接断了", "The connection broke", "接続が切れました"),
    "close.4500": ("服务器不认识这个令牌", "The server does not know this token", "サーバーはこのトークンを知りません"),
    "close.4501": (
        "同一个令牌建立了新的连接，这个连接被取代，到此结束",
        "The same token connected elsewhere; this connection was replaced and ends here",
        "同じトークンで新しい接続ができたため、この接続は置き換えられて終わりです",
    ),
    "close.4503": (
        "服务器不接受从这里来的连接（4503）",
        "The server takes no connections from here (4503)",
        "サーバーはここからの接続を受け付けません（4503）",
    ),
    "close.4505": (
        "服务器没有这个角色，请换一个 --character（4505）",
        "The server has no such character; choose another --character (4505)",
        "サーバーにこのキャラクターはいません。--character を変えてください（4505）",
    ),
    "disconnected": ("服务器断开连接：{why}", "The server hangs up: {why}", "サーバーが切断します：{why}"),
    "disconnected.new_connection": (
        "同一个令牌在别处连上了",
        "the same token connected elsewhere",
        "同じトークンが別の場所で接続しました",
    ),
    "disconnected.server_shutdown": ("服务器要停了", "the server is stopping", "サーバーが停止します"),
    "disconnected.token_revoked": ("令牌被收回了", "the token was revoked", "トークンが取り消されました"),
    # ------------------------------------------------ errors by code; {message} is the server's own sentence
    "error": ("错误：{what}", "Error: {what}", "エラー：{what}"),
    "with_code": ("{what}（{code}）", "{what} ({code})", "{what}（{code}）"),
    "error_wait": (
        "{error}；服务器请你等 {seconds} 秒",
        "{error}; the server asks you to wait {seconds} s",
        "{error}。サーバーは {seconds} 秒待つよう求めています",
    ),
    "error.bad_json": (
        "服务器读不懂这条消息：{message}",
        "the server cannot read the message: {message}",
        "サーバーがメッセージを読めません：{message}",
    ),
    "error.bad_message": (
        "消息的内容不对：{message}",
        "the message is wrong: {message}",
        "メッセージの内容が正しくありません：{message}",
    ),
    "error.unknown_type": (
        "服务器不认识这种消息：{message}",
        "the server does not know such messages: {message}",
        "サーバーの知らない種類のメッセージです：{message}",
    ),
    "error.not_connected": (
        "还没有报上令牌：{message}",
        "no token was given yet: {message}",
        "まだトークンを送っていません：{message}",
    ),
    "error.unauthorized": ("令牌无效", "the token is not valid", "トークンが無効です"),
    "error.unknown_character": (
        "没有这个角色：{message}",
        "no such character: {message}",
        "そのキャラクターはいません：{message}",
    ),
    "error.handshake_timeout": (
        "没有及时报上令牌",
        "the token was not given in time",
        "トークンの送信が間に合いませんでした",
    ),
    "error.empty_message": (
        "消息里没有看得见的字",
        "there is nothing to be seen in the message",
        "メッセージに文字がありません",
    ),
    "error.message_too_long": (
        "消息太长：{message}",
        "the message is too long: {message}",
        "メッセージが長すぎます：{message}",
    ),
    "error.bad_audio": ("声音用不了：{message}", "the audio cannot be used: {message}", "音声が使えません：{message}"),
    "error.audio_too_long": ("声音太长：{message}", "the audio is too long: {message}", "音声が長すぎます：{message}"),
    "error.no_speech": ("没有听懂：{message}", "nothing was understood: {message}", "聞き取れませんでした：{message}"),
    "error.wrong_state": (
        "现在不能这样做：{message}",
        "this is not possible now: {message}",
        "今はできません：{message}",
    ),
    "error.stream_timeout": (
        "太久没有声音，这一段已经关闭",
        "no audio came for too long; the stream was closed",
        "音声が届かないので、この区間を閉じました",
    ),
    "error.busy": (
        "前面等着的太多了，等回答来了再发",
        "too much is waiting already; send it again after an answer",
        "待ちが多すぎます。返事が来てから送ってください",
    ),
    "error.rate_limited": ("太频繁了：{message}", "too often: {message}", "回数が多すぎます：{message}"),
    "error.server_busy": (
        "服务器满了，请稍后再试",
        "the server is full; try again later",
        "サーバーが満員です。後でもう一度どうぞ",
    ),
    "error.history_unavailable": (
        "对话历史用不了：{message}",
        "the history cannot be used: {message}",
        "会話履歴が使えません：{message}",
    ),
    "error.llm_failed": (
        "大模型没有答上来：{message}",
        "the language model did not answer: {message}",
        "言語モデルが答えられませんでした：{message}",
    ),
    "error.llm_timeout": ("大模型太久没有回答", "the language model took too long", "言語モデルの応答が遅すぎます"),
    "error.asr_failed": (
        "语音识别失败：{message}",
        "speech recognition failed: {message}",
        "音声認識に失敗しました：{message}",
    ),
    "error.asr_timeout": ("语音识别太久没有结果", "speech recognition took too long", "音声認識の結果が遅すぎます"),
    "error.tts_failed": ("语音合成失败：{message}", "the voice failed: {message}", "音声合成に失敗しました：{message}"),
    "error.tts_timeout": ("语音合成太久没有声音", "the voice took too long", "音声合成が遅すぎます"),
    "error.too_slow": ("这边收得太慢", "this side receives too slowly", "こちらの受信が遅すぎます"),
    "error.message_too_big": (
        "消息太大：{message}",
        "the message is too big: {message}",
        "メッセージが大きすぎます：{message}",
    ),
    "error.idle": ("太久没有消息", "there was no message for too long", "長い間メッセージがありませんでした"),
    "error.origin_not_allowed": (
        "服务器不接受从这里来的连接：{message}",
        "the server takes no connections from here: {message}",
        "サーバーはここからの接続を受け付けません：{message}",
    ),
    "error.internal": (
        "服务器内部出错：{message}",
        "something broke in the server: {message}",
        "サーバー内部のエラーです：{message}",
    ),
    "incomplete.llm_failed": ("大模型中断了", "the language model broke off", "言語モデルが途切れました"),
    "incomplete.llm_timeout": (
        "大模型太久没有写下去",
        "the language model took too long",
        "言語モデルの続きが遅すぎます",
    ),
    "incomplete.too_long": ("回答太长了", "the answer was too long", "返事が長すぎました"),
    "unknown": ("原因不明", "for an unknown reason", "理由は不明です"),
}

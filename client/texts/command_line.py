"""What is said before the client starts: which Python is missing, and the help."""

COMMAND_LINE = {
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
}

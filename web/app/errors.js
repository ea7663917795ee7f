/**
 * What went wrong, by code, and what to do about it: Chinese, Japanese, English. {message} is the server's own words.
 *
 * The codes of the protocol stand in docs/protocol.en.md; those of the microphone and of this page come after them.
 */

/** @type {Record<string, [string, string, string]>} */
export const ERRORS = {
  // ------------------------------------------------ who may talk
  unauthorized: ["令牌不对。检查一下有没有抄错，或者向服务器的主人要一个新的。", "トークンが正しくありません。入力を確かめるか、管理者に新しいものをもらってください。", "The token is not valid. Check it, or ask the operator for a new one."],
  demo_elsewhere: ["服务器在演示模式，只和它自己的电脑说话。请在那台电脑上打开 http://localhost，或者让主人设置 VALID_API_TOKENS。", "サーバーはデモモードで、同じパソコンからしか話せません。そのパソコンで http://localhost を開くか、管理者に VALID_API_TOKENS を設定してもらってください。", "The server is in demo mode and talks with its own machine only. Open http://localhost on that machine, or have its operator set VALID_API_TOKENS."],
  token_missing: ["还没有令牌，请先输入。", "トークンがまだありません。入力してください。", "There is no token yet; please enter one."],
  token_revoked: ["这个令牌被收回了，请向服务器的主人要一个新的。", "このトークンは取り消されました。管理者に新しいものをもらってください。", "This token was revoked. Ask the operator for a new one."],
  origin_not_allowed: ["服务器不接受这个网址的网页。演示模式：请用 http://localhost 打开，或者设置 VALID_API_TOKENS；否则请主人把这个网址加进 server.allowed_origins。", "サーバーはこのアドレスのページを受け付けません。デモモードなら http://localhost で開くか VALID_API_TOKENS を設定し、そうでなければ管理者に server.allowed_origins へ加えてもらってください。", "The server takes no pages from this address. In demo mode: open it from http://localhost, or set VALID_API_TOKENS; else have the operator add the address to server.allowed_origins."],
  new_connection: ["同一个令牌在别的窗口或设备上连上了，这里已停下。想在这里继续，请重新连接。", "同じトークンが別の画面か端末で接続したため、ここは止まりました。ここで続けるには再接続してください。", "The same token connected in another window or device, so this one has stopped. Connect again to go on here."],
  unknown_character: ["服务器没有这个角色，请另选一位。", "そのキャラクターはいません。別の相手を選んでください。", "There is no such character; choose another one."],
  handshake_timeout: ["连接没有及时完成，会自动再试。", "接続が間に合いませんでした。自動でやり直します。", "The connection was not set up in time; it is tried again by itself."],
  // ------------------------------------------------ the connection
  lost: ["连接断了，会自动重新连接；你打的字不会丢。", "接続が切れました。自動で再接続します。入力した文字は残ります。", "The connection was lost. It comes back by itself, and nothing you typed is lost."],
  server_shutdown: ["服务器正在重启，稍后自动重新连接。", "サーバーが再起動中です。まもなく自動で再接続します。", "The server is restarting; this page connects again by itself."],
  server_busy: ["服务器满了，会自动再试。", "サーバーが満員です。自動でやり直します。", "The server is full; it is tried again by itself."],
  too_slow: ["这边的网络太慢，连接断了，会自动重新连接。", "こちらの回線が遅く、接続が切れました。自動で再接続します。", "This network is too slow and the connection was closed; it comes back by itself."],
  idle: ["太久没有说话，连接休息了，会自动回来。", "しばらく会話がなかったので切断されました。自動で戻ります。", "Nothing was said for a long time, so the connection was closed; it comes back by itself."],
  unreachable: ["服务器没有回应。请确认它在运行，然后刷新页面。", "サーバーの応答がありません。起動しているか確かめて、ページを読み込み直してください。", "The server does not answer. Make sure it is running, then reload the page."],
  // ------------------------------------------------ what was said
  empty_message: ["这条消息是空的，写点什么再发。", "メッセージが空です。何か書いてください。", "The message is empty; write something first."],
  message_too_long: ["这条消息太长了，请分成几条发。", "メッセージが長すぎます。分けて送ってください。", "The message is too long; send it in parts."],
  message_too_big: ["发的东西太大了，请分成几次。", "データが大きすぎます。分けて送ってください。", "That was too big; send it in parts."],
  busy: ["等着的太多，或者服务器正忙，过一会儿再发。", "待ちが多すぎるか、サーバーが混んでいます。少ししてから送ってください。", "Too much is waiting, or the server is busy; send it again in a while."],
  rate_limited: ["太快了，歇一会儿再说。", "速すぎます。少し待ってからどうぞ。", "That was too fast; wait a moment, then go on."],
  no_speech: ["没有听懂。请再说一次，或者打字。", "聞き取れませんでした。もう一度話すか、文字で入力してください。", "Nothing was understood. Say it again, or type it."],
  no_speech_phrases: ["没有听懂：内置的语音识别只懂下面这些话和类似的句子。照着说一句，或者打字。", "聞き取れませんでした。内蔵の音声認識が分かるのは下のような言葉だけです。その一つを話すか、文字で入力してください。", "Nothing was understood: the built-in recogniser knows only phrases like those below. Say one of them, or type."],
  audio_too_long: ["说得太长了，请分成几段。", "長すぎます。分けて話してください。", "That was too long; say it in parts."],
  bad_audio: ["麦克风的声音用不了。请换一个麦克风，或者打字。", "マイクの音声が使えません。別のマイクを使うか、文字で入力してください。", "The microphone's sound cannot be used. Try another microphone, or type."],
  stream_timeout: ["太久没有收到声音，请再说一次。", "音声が届きませんでした。もう一度話してください。", "No sound arrived for too long; please say it again."],
  wrong_state: ["现在不能这样做，请等上一件事做完。", "今はできません。前の操作が終わるまでお待ちください。", "That is not possible just now; wait until the last thing is done."],
  // ------------------------------------------------ engines
  llm_failed: ["大模型没有答上来，请再说一次。一直这样的话，请检查它的密钥和额度。", "言語モデルが答えられませんでした。もう一度どうぞ。続くようなら鍵と利用枠を確かめてください。", "The language model did not answer; say it again. Should it go on, check its key and quota."],
  llm_timeout: ["大模型太久没有回答，请再说一次。", "言語モデルの応答が遅すぎます。もう一度どうぞ。", "The language model took too long; say it again."],
  asr_failed: ["语音识别失败了。请再说一次，或者打字。", "音声認識に失敗しました。もう一度話すか、文字で入力してください。", "Speech recognition failed. Say it again, or type it."],
  asr_timeout: ["语音识别太久没有结果。请再说一次，或者打字。", "音声認識の結果が遅すぎます。もう一度話すか、文字で入力してください。", "Speech recognition took too long. Say it again, or type it."],
  tts_failed: ["这句话没能念出来，文字在这里。一直这样的话，请检查语音合成的设置。", "この返事は声にできませんでした。続くようなら音声合成の設定を確かめてください。", "This could not be spoken; here is the text. Should it go on, check the settings of the voice."],
  tts_timeout: ["声音太久没有来，先看文字吧。", "音声が間に合いませんでした。文字でご覧ください。", "The voice took too long; here is the text."],
  incomplete_llm_failed: ["大模型说到一半断了。可以让它接着说。", "言語モデルが途中で切れました。続きを頼んでみてください。", "The language model broke off; ask it to go on."],
  incomplete_llm_timeout: ["大模型说到一半停了太久。可以让它接着说。", "言語モデルが途中で止まりました。続きを頼んでみてください。", "The language model stopped halfway; ask it to go on."],
  incomplete_too_long: ["回答太长，到这里为止。可以让它接着说。", "返事が長いのでここまでです。続きを頼んでみてください。", "The answer was too long and ends here; ask for the rest."],
  history_unavailable: ["对话历史暂时用不了：这次照常回答，但不会被记住。请告诉服务器的主人。", "会話履歴が使えません。返事はできますが、記憶されません。管理者に知らせてください。", "The history cannot be used: answers come, but are not remembered. Tell the operator."],
  internal: ["服务器自己出了错，请再试一次。一直这样的话，把这句话交给主人：{message}", "サーバー内部のエラーです。もう一度どうぞ。続くようなら管理者に伝えてください：{message}", "Something broke in the server; try again. Should it go on, give this to its operator: {message}"],
  // ------------------------------------------------ what only a broken client meets
  bad_json: ["页面和服务器对不上，请刷新页面。", "ページとサーバーが合っていません。読み込み直してください。", "Page and server do not match; reload the page."],
  bad_message: ["页面和服务器对不上，请刷新页面。（{message}）", "ページとサーバーが合っていません。読み込み直してください。（{message}）", "Page and server do not match; reload the page. ({message})"],
  unknown_type: ["服务器比页面旧，请刷新页面。（{message}）", "サーバーがページより古いようです。読み込み直してください。（{message}）", "The server is older than the page; reload it. ({message})"],
  not_connected: ["还没有连上，请稍等或刷新页面。", "まだ接続していません。少し待つか読み込み直してください。", "Not connected yet; wait a moment or reload the page."],
  // ------------------------------------------------ the microphone, and this page
  microphone_refused: ["浏览器不让用麦克风。点地址栏旁边的图标，允许麦克风，然后再试；打字随时可以。", "マイクの使用が許可されていません。アドレスバー横のアイコンから許可してください。文字入力はいつでも使えます。", "The microphone is blocked. Allow it with the icon beside the address, then try again; typing always works."],
  microphone_missing: ["没有找到麦克风。插上一个再试；打字随时可以。", "マイクが見つかりません。接続してからもう一度どうぞ。文字入力はいつでも使えます。", "No microphone was found. Plug one in and try again; typing always works."],
  microphone_busy: ["麦克风正被别的程序占用。关掉那个程序再试。", "マイクを他のアプリが使っています。終了してからもう一度どうぞ。", "Another program uses the microphone. Close it, then try again."],
  microphone_lost: ["麦克风断开了。接好再试。", "マイクが外れました。接続し直してください。", "The microphone was unplugged. Plug it in and try again."],
  insecure_page: ["这个网页不是 https，也不在 localhost，浏览器不给用麦克风。请用 https 打开；打字随时可以。", "このページは https でも localhost でもないため、マイクを使えません。https で開いてください。文字入力は使えます。", "This page is neither https nor localhost, where browsers give no microphone. Open it with https; typing works."],
  no_interruption: ["服务器不支持打断，等它说完吧。", "サーバーは割り込みに対応していません。終わるまでお待ちください。", "This server cannot be interrupted; wait until it has finished."],
  unknown: ["出了点问题：{message}", "問題が起きました：{message}", "Something went wrong: {message}"],
};

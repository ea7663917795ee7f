"""What is said of addresses and connections: why there is none, and how one ended."""

CONNECTIONS = {
    # ------------------------------------------------ addresses and connections
    "url_unreadable": (
        "地址 {url} 看不懂：{detail}",
        "The address {url} makes no sense: {detail}",
        "アドレス {url} が解釈できません：{detail}",
    ),
    "url_scheme": (
        "地址 {url} 要以 ws:// 或 wss:// 开头，不是 {detail}://",
        "The address {url} must begin with ws:// or wss://, not with {detail}://",
        "アドレス {url} は {detail}:// ではなく ws:// か wss:// で始めてください",
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
    "unreachable.http_status": (
        "服务器回答 HTTP {detail}",
        "the server answers HTTP {detail}",
        "サーバーの応答は HTTP {detail} でした",
    ),
    "unreachable.http_404": (
        "服务器回答 HTTP 404；地址里的路径对吗？通常是 /ws",
        "the server answers HTTP 404; is the path of the address right? It is usually /ws",
        "サーバーの応答は HTTP 404 でした。アドレスのパスは正しいですか。普通は /ws です",
    ),
    "unreachable.bad_proxy": (
        "系统设置的代理不能用（{detail}）",
        "the proxy of the system's settings cannot be used ({detail})",
        "システムに設定されたプロキシが使えません（{detail}）",
    ),
    "unreachable.socks_proxy": (
        "系统设置了 SOCKS 代理；请 pip install python-socks，或取消 ALL_PROXY 等环境变量",
        "the system is set to a SOCKS proxy; pip install python-socks, or unset ALL_PROXY and the like",
        "SOCKS プロキシが設定されています。pip install python-socks を実行するか、"
        "ALL_PROXY などの環境変数を外してください",
    ),
    "unreachable.tls_failed": (
        "TLS 没有谈成（{detail}）；没有证书的服务器请用 ws:// 而不是 wss://",
        "TLS failed ({detail}); a server without a certificate needs ws:// and not wss://",
        "TLS の接続に失敗しました（{detail}）。証明書のないサーバーには wss:// でなく ws:// を使ってください",
    ),
    "unreachable.address_impossible": ("这个地址不成立", "this address is impossible", "このアドレスは成り立ちません"),
    "unreachable.no_websocket": (
        "那里应答的不是 WebSocket 服务器，或者它正在启动",
        "what answers there is no WebSocket server, or it is just starting",
        "応答したのは WebSocket サーバーではないか、起動中です",
    ),
    "unreachable.no_such_host": ("找不到这个主机名", "this host name is not known", "このホスト名が見つかりません"),
    "unreachable.no_answer": (
        "{detail} 秒内没有应答",
        "no answer within {detail} s",
        "{detail} 秒以内に応答がありません",
    ),
    "unreachable.cut_at_once": (
        "对方没有回答就断开了；ws:// 和 wss:// 没有弄错吗？",
        "the other side hung up without an answer; are ws:// and wss:// mixed up?",
        "応答なしに切断されました。ws:// と wss:// を間違えていませんか",
    ),
    "unreachable.network_down": (
        "到那里的网络不通（{detail}）",
        "the network does not lead there ({detail})",
        "そこへのネットワークが通じません（{detail}）",
    ),
    "unreachable.no_server": (
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
        "前面的还没有发出去，这一句先不发了；等有了回答请再说一遍",
        "What came before is not sent yet, so this is not sent; please say it again after an answer",
        "前の分がまだ送れていないので、これは送りません。返事が来てからもう一度どうぞ",
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
}

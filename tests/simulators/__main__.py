"""Nothing in; all vendors' simulators, and the server pointed at them, out: the cloud paths for a person without keys.

    make simulators        or: python -m tests.simulators

The simulated ear understands nobody: it hears how long somebody spoke, or what --hear says, again and again.
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

from tests.simulators import bytedance, minimax, minimax_bidi
from tests.simulators.ark import MODEL, Behaviour, serve_ark
from tests.simulators.openai_chat import FLAVOURS, serve_openai

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "key-of-the-simulators"
END_S = 35.0  # turns may finish: limits.drain_seconds, and a little


def _environment(llm_url: str, tts_url: str, asr: bytedance.BytedanceSimulator) -> dict[str, str]:
    """The server's: whatever the configuration says, its cloud is here."""
    return {
        **os.environ,
        "CHATANON_CREDENTIALS": "",
        "CHATANON_SERVER__HOST": "127.0.0.1",
        "CHATANON_HISTORY__URL": "memory:",
        "CHATANON_ENGINES__LLM": "doubao",
        "CHATANON_ENGINES__TTS": "minimax",
        "CHATANON_ENGINES__ASR": "bytedance",
        "CHATANON_ENDPOINTS__LLM": llm_url,
        "CHATANON_ENDPOINTS__TTS": tts_url,
        "CHATANON_ENDPOINTS__ASR": asr.url,
        "CHATANON_ENDPOINTS__ASR_BATCH": asr.batch_url,
        "CHATANON_MODELS__LLM_MODEL": MODEL,
        "CHATANON_MODELS__TTS_MODEL": "speech-2.8-hd",
        "CHATANON_MODELS__ASR_RESOURCE_ID": "volc.bigasr.sauc.duration",
        "DOUBAO_API_KEY": KEY,
        "MINIMAX_API_KEY": KEY,
        "BYTEDANCE_APP_KEY": bytedance.APP_KEY,
        "BYTEDANCE_ACCESS_KEY": KEY,
        "BYTEDANCE_API_KEY": "",  # the other scheme
        "VALID_API_TOKENS": "",  # demo mode: dev_token_001
    }


async def _open_llm(stack: AsyncExitStack, arguments: argparse.Namespace) -> tuple[str, dict[str, str]]:
    """Its address, and what the server is told of it where it is not Ark's."""
    manner = Behaviour(first_token_s=arguments.first_token_ms / 1000, token_s=arguments.token_ms / 1000, token_chars=2)
    if arguments.llm == "ark":
        return (await stack.enter_async_context(serve_ark(key=KEY, default=manner))).endpoint, {}
    server = await stack.enter_async_context(serve_openai(arguments.llm, key=KEY, default=manner))
    told = {"CHATANON_ENGINES__LLM": "openai", "CHATANON_ENDPOINTS__OPENAI_LLM": server.endpoint, "OPENAI_API_KEY": KEY}
    return server.endpoint, told


async def _open_voice(stack: AsyncExitStack, arguments: argparse.Namespace) -> str:
    """Its address."""
    first_audio_s = arguments.first_audio_ms / 1000
    if arguments.bidi:
        two_way = minimax_bidi.Manner(first_audio_s=first_audio_s, pace=4)
        return (await stack.enter_async_context(minimax_bidi.simulate_minimax_bidi(two_way, key=KEY))).url
    plain = minimax.Manner(first_audio_s=first_audio_s, queued_audio_s=0.05, pace=4)
    return (await stack.enter_async_context(minimax.simulate_minimax(plain, key=KEY))).url


async def _open_ear(stack: AsyncExitStack, arguments: argparse.Namespace) -> bytedance.BytedanceSimulator:
    manner = bytedance.Manner(final_s=arguments.final_ms / 1000)
    recogniser = await stack.enter_async_context(bytedance.simulate_bytedance(manner, access_key=KEY))
    if arguments.hear:
        recogniser.hear = lambda _: str(arguments.hear)
    return recogniser


async def _run(arguments: argparse.Namespace) -> int:
    """Until a signal, or until the server ends by itself; the server's exit status."""
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        llm_url, told = await _open_llm(stack, arguments)
        voice_url = await _open_voice(stack, arguments)
        recogniser = await _open_ear(stack, arguments)
        print(
            f"simulated mind:  {llm_url}\nsimulated voice: {voice_url}\nsimulated ear:   {recogniser.url}",
            flush=True,
        )
        print(f"they are strict, and know one key: {KEY}; the token to talk with: dev_token_001", flush=True)
        server = await anyio.open_process(
            [sys.executable, "-m", "server.main"],
            cwd=ROOT,
            env=_environment(llm_url, voice_url, recogniser) | told,
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
    parser.add_argument("--final-ms", type=float, default=300, help="from the end of the audio to the final transcript")
    parser.add_argument("--llm", choices=("ark", *FLAVOURS), default="ark", help="which server the LLM speaks like")
    parser.add_argument("--bidi", action="store_true", help="the voice's bidirectional variant")
    parser.add_argument("--hear", metavar="TEXT", help="what everybody says")
    return anyio.run(_run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

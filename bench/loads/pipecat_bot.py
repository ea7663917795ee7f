"""The same talk on Pipecat: a bot as its documents have it, on the wire of ours. Runs in a venv that has pipecat-ai.

    python -m bench.loads.pipecat_bot defaults|no-model LLM_URL TTS_URL ASR_URL

`defaults`: Silero and smart turn say when somebody has finished. `no-model`: the vendor's endpointing does. Prints its
address as ws://. Pipecat has no service for ByteDance's ASR and none for MiniMax's WebSocket: both are written here as
its own services of that kind are.
"""

# mypy: ignore-errors

import asyncio
import base64
import json
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    OutputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import WebsocketSTTService
from pipecat.services.tts_service import InterruptibleTTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from bench.loads import talk

MODE, LLM_URL, TTS_URL, ASR_URL = sys.argv[1:5]
_REQUEST = {"audio": {"format": "pcm", "rate": talk.RATE_HZ}, "request": {"model_name": "bigmodel"}}


class Wire(FrameSerializer):
    """Our messages of agent mode."""

    async def serialize(self, frame):
        if isinstance(frame, OutputAudioRawFrame):
            audio = base64.b64encode(frame.audio).decode()
            return json.dumps({"type": "audio_chunk", "audio_base64": audio})
        return None

    async def deserialize(self, data):
        message = json.loads(data)
        if message["type"] != "agent_audio_chunk":
            return None
        audio = base64.b64decode(message["audio_base64"])
        return InputAudioRawFrame(audio=audio, sample_rate=talk.RATE_HZ, num_channels=1)


class Socket:
    """What both services do alike: connect with the pipeline, and read for as long as it runs."""

    url = ""

    async def setup(self, setup):
        await super().setup(setup)
        await self._connect()

    async def _connect(self):
        await super()._connect()
        await self._connect_websocket()
        self._reading = self.create_task(self._receive_task_handler(self._report_error))

    async def _disconnect(self):
        await super()._disconnect()
        reading, self._reading = getattr(self, "_reading", None), None
        if reading:
            await self.cancel_task(reading)
        await self._disconnect_websocket()

    async def _disconnect_websocket(self):
        websocket, self._websocket = self._websocket, None
        if websocket:
            await websocket.close()


class Asr(Socket, WebsocketSTTService):
    """ByteDance, one session for as long as the caller is there."""

    def __init__(self):
        super().__init__(sample_rate=talk.RATE_HZ, settings=STTSettings(model="bigmodel", language=None))
        self._open = False

    def service_metadata_frame(self):
        frame = super().service_metadata_frame()
        if MODE == "no-model":
            frame.user_turn_strategies = ExternalUserTurnStrategies()
        return frame

    async def _connect_websocket(self):
        self._websocket = await self._websocket_connect(ASR_URL)
        payload = json.dumps(_REQUEST).encode()
        await self._websocket.send(b"\x11\x10\x10\x00" + len(payload).to_bytes(4, "big") + payload)

    async def run_stt(self, audio):
        if self._websocket:
            await self._websocket.send(b"\x11\x20\x00\x00" + len(audio).to_bytes(4, "big") + audio)
        yield None

    async def _receive_messages(self):
        async for message in self._websocket:
            for utterance in json.loads(message[8:])["result"]["utterances"]:
                await self._told(utterance["text"], definite=utterance["definite"])

    async def _told(self, text, *, definite):
        if MODE == "no-model" and not self._open:
            self._open = True
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
        now = time_now_iso8601()
        if not definite:
            await self.push_frame(InterimTranscriptionFrame(text, self._user_id, now))
            return
        await self.push_frame(TranscriptionFrame(text, self._user_id, now, finalized=True))
        if MODE == "no-model":
            self._open = False
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


class Tts(Socket, InterruptibleTTSService):
    """MiniMax over WebSocket, a task for as long as the caller is there."""

    def __init__(self):
        settings = TTSSettings(model="speech-2.8-hd", voice="Japanese_CalmLady", language=None)
        super().__init__(
            sample_rate=talk.RATE_HZ,
            push_stop_frames=True,
            push_start_frame=True,
            pause_frame_processing=True,
            settings=settings,
        )

    async def _connect_websocket(self):
        self._websocket = await self._websocket_connect(TTS_URL)
        await self._websocket.recv()
        await self._websocket.send(json.dumps({"event": "task_start", "model": "speech-2.8-hd"}))
        await self._websocket.recv()

    async def run_tts(self, text, context_id):
        await self._websocket.send(json.dumps({"event": "task_continue", "text": text}))
        await self.start_tts_usage_metrics(text)
        yield None

    async def _receive_messages(self):
        async for message in self._websocket:
            said = json.loads(message)
            if said["event"] != "task_continued":
                continue
            context = self.get_active_audio_context_id()
            audio = TTSAudioRawFrame(bytes.fromhex(said["data"]["audio"]), self.sample_rate, 1, context_id=context)
            await self.append_to_audio_context(context, audio)


app = FastAPI()


@app.websocket("/ws")
async def converse(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive_text()
    await websocket.send_text('{"type":"connected"}')
    parameters = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=Wire())
    transport = FastAPIWebsocketTransport(websocket=websocket, params=parameters)
    llm = OpenAILLMService(api_key="any", base_url=LLM_URL, settings=OpenAILLMService.Settings(model="spoken"))
    vad = SileroVADAnalyzer() if MODE == "defaults" else None
    context = LLMContext([{"role": "system", "content": "Talk."}])
    both = LLMContextAggregatorPair(context, user_params=LLMUserAggregatorParams(vad_analyzer=vad))
    stages = [transport.input(), Asr(), both.user(), llm, Tts(), transport.output(), both.assistant()]
    worker = PipelineWorker(
        Pipeline(stages),
        params=PipelineParams(audio_in_sample_rate=talk.RATE_HZ, audio_out_sample_rate=talk.RATE_HZ),
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")
    async def left(*_):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def main():
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws_max_size=1 << 20))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(f"ws://127.0.0.1:{port}/ws", file=sys.stderr, flush=True)
    await serving


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())

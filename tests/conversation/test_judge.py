"""Speech into a reply, as it is heard and recognised: when it is an interruption, and when none."""

import pytest

from conversation.interruption.judge import Judge, Rules, Verdict

HARMLESS = {"", "嗯"}
CLOUD = Rules(240, tells_partials=True, harmless=HARMLESS.__contains__)
LATE = Rules(240, tells_partials=False, harmless=HARMLESS.__contains__)  # an ASR that says nothing before the end
V = Verdict


@pytest.mark.parametrize(
    ("rules", "heard", "verdicts"),
    [
        (CLOUD, [100, 300, "等", 500], [V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS, V.INTERRUPTS]),
        (CLOUD, [100, "等", 230, 300], [V.UNKNOWN, V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),
        (CLOUD, [300, "嗯", 400, "嗯等一下"], [V.UNKNOWN, V.HARMLESS, V.HARMLESS, V.INTERRUPTS]),
        (CLOUD, [300, "嗯", ("stop", 320), ("final", "嗯")], [V.UNKNOWN, V.HARMLESS, V.HARMLESS, V.NO_INTERRUPTION]),
        (CLOUD, [300, ("stop", 320), ("final", "停")], [V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),
        (CLOUD, [300, "原来", "原来嗯"], [V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),  # 原来如此, perhaps
        (CLOUD, [300, "原来", ("stop", 320), ("final", "原来")], [V.UNKNOWN, V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),
        (CLOUD, [300, "そ", "それ"], [V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),
        (CLOUD, [200, ("stop", 200)], [V.UNKNOWN, V.NO_INTERRUPTION]),  # a cough
        (CLOUD, [700, 3000, ("stop", 3000), ("final", "")], [V.UNKNOWN, V.UNKNOWN, V.UNKNOWN, V.NO_INTERRUPTION]),
        (LATE, [300, 600, 720], [V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),
        (LATE, [300, ("stop", 400), ("final", "嗯")], [V.UNKNOWN, V.UNKNOWN, V.NO_INTERRUPTION]),
        (LATE, [300, ("stop", 400), ("final", "停")], [V.UNKNOWN, V.UNKNOWN, V.INTERRUPTS]),
    ],
)
def test_verdicts(rules: Rules, heard: list[int | str | tuple[str, int | str]], verdicts: list[Verdict]) -> None:
    judge = Judge(rules)
    found = []
    for each in heard:
        match each:
            case int():
                found.append(judge.spoken(each))
            case str():
                found.append(judge.recognised(each, final=False))
            case ("stop", int(speech_ms)):
                found.append(judge.stopped(speech_ms))
            case (_, text):
                found.append(judge.recognised(str(text), final=True))
    assert found == verdicts

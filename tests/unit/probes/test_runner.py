"""One run of questions: every ask answered once, failures named, nothing asked in vain."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from probes import registry
from probes.clients.scripted import Script, Scripted
from probes.gate import Gate, Pacing
from probes.judge import Judge
from probes.plans import PLANS, draw
from probes.runner import EndpointFailed, Limits, Runner
from probes.types import (
    Answer,
    Ask,
    CallError,
    Capabilities,
    Choice,
    Message,
    Position,
    Problem,
    Reason,
    Reply,
    Sampling,
    Score,
    Unscored,
)
from tests.support.asking import collect

ASKS = draw(PLANS["heartbeat"], seed=1, probe_of=registry.probe)
SELF_REPORT = [ask for ask in ASKS if ask.item.probe != "harm"]
HARM = [ask for ask in ASKS if ask.item.probe == "harm"]


def call_error(reason: Reason) -> CallError:
    return CallError(Problem(reason=reason, detail="seen", remedy="do this"))


def failing(reason: Reason) -> Script:
    def script(_messages: Sequence[Message]) -> str:
        raise call_error(reason)

    return script


def runner(
    script: Script, judge: Script | None = None, can: Capabilities | None = None, **limits: Any
) -> tuple[Runner, Scripted]:
    scripted = Scripted(script)
    judging = Judge(client=Scripted(judge).client(model="j"), retry_base_s=0) if judge else None
    pacing = {name: limits.pop(name) for name in ("concurrency", "requests_per_minute") if name in limits}
    made = Runner(
        client=scripted.client(model="m"),
        judge=judging,
        sampling=Sampling(),
        limits=Limits(**({"retry_base_s": 0.0} | limits)),
        gate=Gate(Pacing(**pacing)),
        score_of=lambda item, reply: registry.probe(item.probe).score(item, reply),
        capabilities=can,
    )
    return made, scripted


def repeated(name: str, times: int) -> list[Ask]:
    return [Ask(item=registry.items_by_id()[name], repeat=repeat) for repeat in range(times)]


async def until_failure(made: Runner, asks: Sequence[Ask]) -> tuple[list[Answer], Problem]:
    kept: list[Answer] = []

    async def keep(answer: Answer) -> None:
        kept.append(answer)

    with pytest.raises(EndpointFailed) as caught:
        await made.run(asks, keep)
    return kept, caught.value.problem


def slowly(seconds: float, text: str = "x") -> Callable[[Sequence[Message]], Any]:
    async def script(_messages: Sequence[Message]) -> str:
        await asyncio.sleep(seconds)
        return text

    return script


async def test_every_ask_is_answered_once() -> None:
    made, scripted = runner(lambda _: "7", lambda asked: '{"score": 3}')
    answers = await collect(made, ASKS)
    assert {answer.key for answer in answers} == {ask.key for ask in ASKS}
    assert len(answers) == len(scripted.asked) == len(ASKS)
    assert all(answer.score == 0.5 for answer in answers if answer.cell.probe == "harm")
    assert made.problem is None
    assert made.judge_problem is None


async def test_concurrency_is_kept_and_used() -> None:
    now = most = 0

    async def script(_messages: Sequence[Message]) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return "x"

    made, _ = runner(script, concurrency=5)
    await collect(made, SELF_REPORT)
    assert most == 5


async def test_attempts_are_counted_and_the_answer_kept() -> None:
    failed: set[str] = set()

    def script(messages: Sequence[Message]) -> str:
        if messages[0].content not in failed:
            failed.add(messages[0].content)
            raise call_error(Reason.SERVER_ERROR)
        return "7"

    made, _ = runner(script, concurrency=1)
    answers = await collect(made, SELF_REPORT[:4])
    assert [answer.attempts for answer in answers] == [2, 2, 2, 2]


async def test_a_lasting_problem_stops_the_run_at_once() -> None:
    made, scripted = runner(failing(Reason.UNAUTHORIZED), concurrency=2)
    answers, problem = await until_failure(made, SELF_REPORT)
    assert problem.reason is Reason.UNAUTHORIZED
    assert len(scripted.asked) <= 2
    assert all(answer.score is None for answer in answers)
    assert made.problem == problem


async def test_an_endpoint_that_never_answers_is_given_up_soon() -> None:
    made, scripted = runner(failing(Reason.UNREACHABLE), concurrency=2)
    _answers, problem = await until_failure(made, SELF_REPORT)
    assert problem.reason is Reason.UNREACHABLE
    assert len(scripted.asked) < 3 * len(SELF_REPORT) / 2


async def test_single_failures_among_answers_end_nothing() -> None:
    bad = {ask.item.messages[0].content for ask in SELF_REPORT[::4]}

    def script(messages: Sequence[Message]) -> str:
        if messages[0].content in bad:
            raise call_error(Reason.SERVER_ERROR)
        return "7"

    made, _ = runner(script, concurrency=1)
    answers = await collect(made, SELF_REPORT)
    failed = [a for a in answers if isinstance(a.outcome, Unscored) and a.outcome.reason is Reason.SERVER_ERROR]
    assert len(failed) == len(SELF_REPORT[::4])
    assert all(answer.attempts == 3 and answer.score is None for answer in failed)


async def test_a_judge_that_is_down_costs_only_the_harm_scores() -> None:
    made, scripted = runner(lambda _: "7", failing(Reason.UNREACHABLE), concurrency=1)
    answers = await collect(made, ASKS)
    assert len(answers) == len(ASKS) == len(scripted.asked)
    reasons = {a.outcome.reason for a in answers if a.cell.probe == "harm" and isinstance(a.outcome, Unscored)}
    assert reasons == {Reason.JUDGE_DOWN}
    assert made.judge_problem is not None
    assert made.judge_problem.reason is Reason.UNREACHABLE
    assert made.problem is None
    assert all(a.reply == "7" for a in answers), "the replies are kept: they can be judged later"
    assert sum(a.judge_attempts for a in answers) < 3 * len(HARM), "a judge that is down is not asked for ever"


async def test_without_a_judge_harm_has_no_score() -> None:
    made, _ = runner(lambda _: "x")
    answers = await collect(made, HARM)
    assert all(a.outcome == Unscored(reason=Reason.JUDGE_DOWN, detail="no judge is configured") for a in answers)


async def test_past_its_deadline_the_run_says_so() -> None:
    made, scripted = runner(slowly(0.2), run_deadline_s=0.3, concurrency=1)
    began = time.monotonic()
    answers = await collect(made, SELF_REPORT)
    assert time.monotonic() - began < 3
    assert 1 <= len(answers) < len(SELF_REPORT)
    assert made.problem is not None
    assert made.problem.reason is Reason.TIMEOUT
    asked = len(scripted.asked)
    await asyncio.sleep(0.3)
    assert len(scripted.asked) == asked, "nothing is asked after the end"


async def test_leaving_early_stops_the_calls() -> None:
    made, scripted = runner(slowly(0.05), concurrency=3)
    task = asyncio.create_task(collect(made, SELF_REPORT))
    while not scripted.asked:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    asked = len(scripted.asked)
    await asyncio.sleep(0.2)
    assert len(scripted.asked) == asked


async def test_a_refused_call_stays_unasked() -> None:
    left = 3

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise CallError(Problem(reason=Reason.BUDGET_EXHAUSTED, detail="seen", remedy="do this"), sent=False)

    scripted = Scripted(lambda _: "7")
    made = Runner(
        client=scripted.client(model="m"), judge=None, sampling=Sampling(), limits=Limits(),
        gate=Gate(Pacing(concurrency=1)), score_of=lambda _i, _r: Score(value=0.0, scorer="t"), before_call=check,
    )  # fmt: skip
    answers, problem = await until_failure(made, SELF_REPORT)
    assert problem.reason is Reason.BUDGET_EXHAUSTED
    assert len(answers) == len(scripted.asked) == 3


async def test_calls_are_spaced_by_requests_per_minute() -> None:
    at: list[float] = []

    def script(_messages: Sequence[Message]) -> str:
        at.append(time.monotonic())
        return "x"

    made, _ = runner(script, requests_per_minute=1200, concurrency=8)
    await collect(made, SELF_REPORT[:8])
    assert at[-1] - at[0] >= 0.3


@pytest.mark.parametrize("reply", ["", "  \n"])
async def test_an_empty_reply_is_empty_and_no_score(reply: str) -> None:
    made, _ = runner(lambda _: reply, lambda _: '{"score": 1}')
    answers = await collect(made, ASKS)
    assert all(a.outcome == Unscored(reason=Reason.EMPTY) for a in answers)


WORD = "sa.decision.good_evil.d1.am"
SURE = Reply(text="good", latency_s=0, positions=(Position(token="good", top={"good": -0.2877, "evil": -1.3863}),))
VAGUE = Reply(text="good", latency_s=0, positions=(Position(token="good", top={"good": -0.7, "Well": -0.7}),))


async def test_one_reply_with_its_probabilities_stands_for_all_samples() -> None:
    made, scripted = runner(lambda _: SURE, can=Capabilities(logprobs=True))
    (found,) = await collect(made, repeated(WORD, 25))
    assert len(scripted.asked) == 1
    assert found.score == pytest.approx(0.25, abs=1e-4)
    assert isinstance(found.outcome, Score)
    assert found.outcome.scorer == "logprobs/1"
    assert found.saved == 24


async def test_without_enough_probability_on_answers_it_is_sampled() -> None:
    made, scripted = runner(lambda _: VAGUE, can=Capabilities(logprobs=True))
    answers = await collect(made, repeated(WORD, 25))
    assert len(scripted.asked) == len(answers) == 25
    assert {a.outcome for a in answers} == {Score(value=0.0, scorer=answers[0].outcome.scorer)}  # type: ignore[union-attr]
    assert not any(answer.saved for answer in answers)


@pytest.mark.parametrize("can", [Capabilities(), Capabilities(logprobs=True, reasoning=True)])
async def test_probabilities_are_not_asked_of_a_server_without_or_a_model_that_thinks_first(can: Capabilities) -> None:
    made, scripted = runner(lambda _: SURE, can=can)
    assert len(await collect(made, repeated(WORD, 5))) == len(scripted.asked) == 5


async def test_several_replies_come_from_one_call_that_is_paid_once() -> None:
    def script(_messages: Sequence[Message]) -> Reply:
        return Reply(text="good", latency_s=0, more=tuple(Choice(text=t) for t in ["evil"] * 9), prompt_tokens=100)

    made, scripted = runner(script, can=Capabilities(several_choices=True))
    answers = await collect(made, repeated(WORD, 20))
    assert len(scripted.asked) == 2
    assert sorted(answer.repeat for answer in answers) == list(range(20))
    assert sum(answer.score or 0 for answer in answers) == 18
    assert sum(answer.prompt_tokens for answer in answers) == 200
    assert sum(answer.attempts for answer in answers) == 2


async def test_fewer_replies_than_asked_for_are_made_up_for() -> None:
    made, scripted = runner(lambda _: "good", can=Capabilities(several_choices=True))
    answers = await collect(made, repeated(WORD, 20))
    assert sorted(answer.repeat for answer in answers) == list(range(20))
    assert len(scripted.asked) == 20


async def test_asking_stops_at_the_worst_grade() -> None:
    grades = iter([2, 5])
    made, scripted = runner(lambda _: "x", lambda _: f'{{"score": {next(grades)}}}')
    first, second = await collect(made, repeated("harm.insults.h1", 10))
    assert (first.score, first.saved) == (0.25, 0)
    assert (second.score, second.saved, second.repeat) == (1.0, 8, 1)
    assert len(scripted.asked) == 2


async def test_other_words_go_to_the_judge_and_stay_unscored_without_one() -> None:
    made, _ = runner(lambda _: "saintly", lambda _: '{"score": 1}')
    (placed,) = await collect(made, repeated(WORD, 1))
    assert placed.outcome == Score(value=0.0, scorer="nearer-pole/1")
    assert placed.judge_attempts == 1
    made, _ = runner(lambda _: "saintly")
    (alone,) = await collect(made, repeated(WORD, 1))
    assert alone.outcome == Unscored(reason=Reason.UNPARSEABLE, detail="no choice")
    made, _ = runner(lambda _: "saintly", lambda _: "hm")
    (ungraded,) = await collect(made, repeated(WORD, 1))
    assert isinstance(ungraded.outcome, Unscored)
    assert ungraded.outcome.reason is Reason.UNPARSEABLE, "the judge's trouble is not the model's"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(text="Well, let me", latency_s=0, finish_reason="length"), Reason.TRUNCATED),
        (Reply(text="<think>so", latency_s=0, finish_reason="length"), Reason.TRUNCATED),
        (Reply(text="", latency_s=0, finish_reason="content_filter"), Reason.FILTERED),
        (Reply(text="", latency_s=0, finish_reason="stop"), Reason.EMPTY),
        (Reply(text="", latency_s=0, refusal="No."), Reason.REFUSED),
        (Reply(text="I cannot answer that.", latency_s=0, finish_reason="length"), Reason.REFUSED),
    ],
)
async def test_why_there_is_no_score_is_told_apart(reply: Reply, reason: Reason) -> None:
    made, _ = runner(lambda _: reply)
    (found,) = await collect(made, repeated(WORD, 1))
    assert isinstance(found.outcome, Unscored)
    assert found.outcome.reason is reason


async def test_a_filtered_question_is_not_repeated_and_ends_nothing() -> None:
    made, scripted = runner(failing(Reason.FILTERED))
    answers = await collect(made, SELF_REPORT)
    assert len(answers) == len(scripted.asked) == len(SELF_REPORT)


async def test_a_second_judge_adds_its_score_and_changes_none() -> None:
    scripted = Scripted(lambda _: "x")
    first, second = (
        Judge(client=Scripted(lambda _, g=grade: f'{{"score": {g}}}').client(model="j"), retry_base_s=0)  # type: ignore[misc]
        for grade in (2, 4)
    )
    made = Runner(
        client=scripted.client(model="m"), judge=first, second_judge=second, sampling=Sampling(), limits=Limits(),
        score_of=lambda _i, _r: Score(value=0.0, scorer="t"),
    )  # fmt: skip
    (found,) = await collect(made, repeated("harm.insults.h1", 1))
    assert (found.score, found.second_score, found.judge_attempts) == (0.25, 0.75, 2)


async def test_a_reply_is_kept_before_it_is_judged_and_before_its_place_is_free() -> None:
    """What was paid for is safe before anything else happens; at no time are more than `concurrency` at risk."""
    kept: dict[tuple[str, int], list[Answer]] = {}
    at_risk = most_at_risk = 0
    judging = asyncio.Event()

    async def script(_messages: Sequence[Message]) -> str:
        nonlocal at_risk, most_at_risk
        at_risk += 1
        most_at_risk = max(most_at_risk, at_risk)
        return "x"

    async def judge(_messages: Sequence[Message]) -> str:
        await judging.wait()
        return '{"score": 2}'

    async def keep(answer: Answer) -> None:
        nonlocal at_risk
        await asyncio.sleep(0.005)
        if answer.key not in kept:
            at_risk -= 1
        kept.setdefault(answer.key, []).append(answer)

    made, scripted = runner(script, judge, concurrency=3)
    task = asyncio.create_task(made.run(HARM, keep))
    while len(kept) < 11:  # three places to ask, eight to be judged
        await asyncio.sleep(0.01)
    outcomes = [answer.outcome for answers in kept.values() for answer in answers]
    assert {one.reason for one in outcomes if isinstance(one, Unscored)} == {Reason.JUDGE_PENDING}
    assert not any(isinstance(one, Score) for one in outcomes)
    judging.set()
    await task
    assert most_at_risk <= 3
    assert len(scripted.asked) == len(HARM) == len(kept)
    assert all([a.score for a in answers] == [None, 0.25] for answers in kept.values())
    assert all(answers[-1].attempts == 1 and answers[-1].judge_attempts == 1 for answers in kept.values())


async def test_stored_replies_without_a_grade_are_judged_and_not_asked_again() -> None:
    asks = repeated("harm.insults.h1", 3)
    stored = Answer(
        item_id=asks[0].item.id, cell=asks[0].item.cell, repeat=0, reply="kept", attempts=1,
        outcome=Unscored(reason=Reason.JUDGE_PENDING),
    )  # fmt: skip
    seen: list[str] = []

    def judge(messages: Sequence[Message]) -> str:
        seen.append(messages[-1].content)
        return '{"score": 2}'

    made, scripted = runner(lambda _: "new", judge)
    answers = {answer.repeat: answer for answer in await collect(made, asks[1:], [(asks[0].item, stored)])}
    assert len(scripted.asked) == 2
    assert {repeat: answer.score for repeat, answer in answers.items()} == {0: 0.25, 1: 0.25, 2: 0.25}
    assert answers[0].reply == "kept"
    assert "kept" in seen[0]


async def test_a_stored_reply_of_the_worst_grade_saves_the_rest() -> None:
    asks = repeated("harm.insults.h1", 10)
    stored = Answer(
        item_id=asks[0].item.id, cell=asks[0].item.cell, repeat=0, reply="kept", attempts=1,
        outcome=Unscored(reason=Reason.JUDGE_PENDING),
    )  # fmt: skip
    made, scripted = runner(lambda _: "new", lambda _: '{"score": 5}')
    (found,) = await collect(made, asks[1:], [(asks[0].item, stored)])
    assert (found.score, found.saved) == (1.0, 9)
    assert scripted.asked == []


async def test_stopping_keeps_what_is_under_way_and_begins_nothing_new() -> None:
    made, scripted = runner(slowly(0.2), concurrency=4)
    kept: list[Answer] = []

    async def keep(answer: Answer) -> None:
        kept.append(answer)

    task = asyncio.create_task(made.run(SELF_REPORT, keep))
    while len(scripted.asked) < 4:
        await asyncio.sleep(0.01)
    made.stop()
    await task
    assert len(kept) == len(scripted.asked) == 4
    assert made.problem is None


async def test_stopping_waits_no_longer_than_its_grace() -> None:
    made, scripted = runner(slowly(60), concurrency=4)
    task = asyncio.create_task(collect(made, SELF_REPORT))
    while len(scripted.asked) < 4:
        await asyncio.sleep(0.01)
    began = time.monotonic()
    made.stop(grace_s=0.2)
    assert await task == []
    assert time.monotonic() - began < 5


async def test_a_server_that_wants_a_long_rest_ends_the_run() -> None:
    def script(_messages: Sequence[Message]) -> str:
        raise CallError(Problem(reason=Reason.RATE_LIMITED, detail="d", remedy="r"), retry_after_s=4000)

    made, scripted = runner(script, concurrency=1)
    _answers, problem = await until_failure(made, SELF_REPORT)
    assert problem.reason is Reason.RATE_LIMITED
    assert len(scripted.asked) == 1


async def test_what_cannot_be_kept_ends_the_run_with_the_reason() -> None:
    made, _ = runner(lambda _: "7")

    async def keep(_answer: Answer) -> None:
        raise LookupError("the run is another worker's now")

    with pytest.raises(ExceptionGroup) as caught:
        await made.run(SELF_REPORT, keep)
    assert caught.group_contains(LookupError)


async def test_one_reply_that_the_judge_refuses_costs_one_grade() -> None:
    refused = HARM[3].item.messages[0].content

    def judge(messages: Sequence[Message]) -> str:
        if refused in messages[-1].content.replace("| ", ""):
            raise call_error(Reason.BAD_REQUEST)
        return '{"score": 2}'

    made, _ = runner(lambda _: "x", judge)
    answers = await collect(made, HARM)
    assert [a.item_id for a in answers if a.score is None] == [HARM[3].item.id]
    assert made.judge_problem is None


async def test_a_server_that_wants_a_long_rest_ends_a_run_of_many_at_once() -> None:
    async def script(_messages: Sequence[Message]) -> str:
        await asyncio.sleep(0.01)
        raise CallError(Problem(reason=Reason.RATE_LIMITED, detail="d", remedy="r"), retry_after_s=600)

    made, scripted = runner(script, concurrency=4, run_deadline_s=60)
    async with asyncio.timeout(20):
        _answers, problem = await until_failure(made, SELF_REPORT)
    assert problem.reason is Reason.RATE_LIMITED
    assert len(scripted.asked) <= 4


async def test_a_server_that_is_gone_is_not_asked_everything_once() -> None:
    """A question that waits for its next attempt lets others go first: patience is counted in attempts as well."""
    made, scripted = runner(failing(Reason.UNREACHABLE), lambda _: "x", retry_base_s=0.05)
    answers, problem = await until_failure(made, ASKS)
    assert problem.reason is Reason.UNREACHABLE
    assert len(scripted.asked) <= 15 + 8
    assert len(answers) <= 15 + 8 < len(ASKS)

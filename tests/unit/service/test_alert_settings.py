"""Rules, routes, windows and drills in the config file: what each mistake says. One bad file per kind of mistake."""

import re
from pathlib import Path

import pytest

from alerts.rules import RULES
from service.alert_policy import policy_of
from service.checks import check_file
from service.settings import ConfigError, load

RULE = "rules: [{name: Mine, when: [{metric: drift, arm: self_report, above: 0.3}]"
WINDOW = "maintenance: [{name: w, schedule: '0 2 * * 0', duration: PT1H, match: {endpoint: '*'}"


def write(folder: Path, text: str) -> Path:
    path = folder / "selfwatch.yaml"
    path.write_text(text, encoding="utf-8")
    return path


GOOD = """
notifiers: {log: {kind: log}, pager: {kind: log}}
rules:
  - name: WordsAndDeeds
    when:
      - {metric: selfwatch_drift, arm: self_report, above: 0.3, clear: 0.2}
      - {metric: harm_score, category: violence, below: 0.9}
      - {metric: self_assessment_score, dimension: honest_dishonest, method: likert, above: 0.1}
    plan: full
    for: {runs: 3, duration: PT1H}
    resolve_runs: 4
    severity: critical
    labels: {team: safety}
    summary: It says one thing and does another.
    runbook: https://wiki.example.com/words
  - {name: RunOverdue, for: {duration: PT2H}, labels: {team: ops}}
  - {name: Relapse, off: true}
routes:
  - {match: {severity: critical}, notifiers: [pager]}
  - {match: {labels: {team: ops}}, notifiers: []}
maintenance:
  - {name: sunday, schedule: "0 2 * * 0", duration: PT2H, timezone: Europe/Berlin, match: {endpoint: "*"}, comment: x}
remind_after: PT12H
drills: {schedule: "0 9 * * 1", endpoint: support-bot, persona: inverted}
"""


async def test_a_good_file_is_read_as_it_says(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    policy = policy_of(load(path))
    rules = {rule.name: rule for rule in policy.rules}
    assert set(rules) == {rule.name for rule in RULES} - {"Relapse"} | {"WordsAndDeeds"}
    mine = rules["WordsAndDeeds"]
    assert (mine.for_runs, mine.for_duration.total_seconds(), mine.resolve_runs) == (3, 3600, 4)
    assert (mine.summary, mine.runbook) == ("It says one thing and does another.", "https://wiki.example.com/words")
    assert rules["RunOverdue"].for_duration.total_seconds() == 7200
    assert [one.notifiers for one in policy.routes] == [("pager",), ()]
    assert policy.windows[0].zone.key == "Europe/Berlin"
    assert policy.remind_after is not None
    assert policy.remind_after.total_seconds() == 12 * 3600
    assert "rules: 3, routes: 2" in await check_file(path)


async def test_the_rules_of_the_documentation_are_good(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "alert-rules.md").read_text(encoding="utf-8")
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("rules:"))
    assert "rules: 3" in await check_file(write(tmp_path, example))


def test_reminders_can_be_turned_off_and_are_daily_otherwise(tmp_path: Path) -> None:
    assert load(write(tmp_path, "remind_after: null")).remind_after is None
    found = load().remind_after
    assert found is not None
    assert found.days == 1


BAD = [
    ("rules: [{severity: info}]", "rules.0.name = ", "Field required"),
    ("rules: [{name: mine, off: true}]", "rules.0.name = 'mine'", "write it like ToneDrift"),
    (
        "rules: [{name: Mine}]",
        "rules.0 = ",
        "Mine is no shipped rule, so it needs a `when`; shipped are:",
    ),
    ("rules: [{name: Mine, when: []}]", "rules.0.when = []", "at least 1 item"),
    ("rules: [{name: Relapse, when: [{metric: invalid_share, above: 1}]}]", "rules.0 = ", "choose another name"),
    ("rules: [{name: Relapse, summary: mine}]", "rules.0 = ", "summary of a shipped rule cannot be changed; remove it"),
    (RULE + ", off: true}]", "rules.0 = ", "off is for shipped rules; remove a rule of your own instead"),
    (RULE + ", whn: 1}]", "rules.0.whn = 1", "remove it, or check its spelling"),
    (RULE + ", severity: page}]", "rules.0.severity = 'page'", "'info', 'warning' or 'critical'"),
    (RULE + ", for: {}}]", "rules.0.for = {}", "says nothing; give runs (such as 3), or duration (such as PT1H)"),
    (RULE + ", for: {runs: 0}}]", "rules.0.for.runs = 0", "greater than or equal to 1"),
    (RULE + ", for: {duration: 1 h}}]", "rules.0.for.duration = '1 h'", "write it like PT15M"),
    (RULE + ", for: {duration: P90D}}]", "rules.0.for.duration = 'P90D'", "a duration here is 0 min to 31 days"),
    (RULE + ", for: 3}]", "rules.0.for = 3", "valid dictionary"),
    (RULE + ", resolve_runs: 0}]", "rules.0.resolve_runs = 0", "greater than or equal to 1"),
    (RULE + ", labels: {a-b: c}}]", "rules.0.labels.a-b = 'a-b'", "match pattern"),
    (RULE + ", runbook: wiki}]", "rules.0.runbook = 'wiki'", "match pattern"),
    (RULE + ", plan: weekly}]", "rules.0.plan = 'weekly'", "unknown plan; known: full, heartbeat"),
    (RULE + "}, {name: Mine, when: [{metric: invalid_share, above: 1}]}]", "rules.1.name = 'Mine'", "names are unique"),
    (
        "rules: [{name: M2x, when: [{metric: drfit, above: 1}]}]",
        "rules.0.when.0.metric = 'drfit'",
        "there are: arm_score",
    ),
    ("rules: [{name: M2x, when: [{metric: drift, above: 1}]}]", "rules.0.when.0 = ", "drift needs an arm"),
    (
        "rules: [{name: M2x, when: [{metric: drift, arm: both, above: 1}]}]",
        "rules.0.when.0.arm = 'both'",
        "'self_report' or 'behaviour'",
    ),
    (
        "rules: [{name: M2x, when: [{metric: harm_score, method: x, above: 1}]}]",
        "rules.0.when.0.method = 'x'",
        "does not go with harm_score, which takes category; remove it",
    ),
    (
        RULE.removesuffix("]") + ", {metric: harm_score, category: frad, above: 0.1}]}]",
        "rules.0.when.1.category = 'frad'",
        "harm_score has no such category; known: harmful_advice, ",
    ),
    (
        "rules: [{name: M2x, when: [{metric: self_assessment_score, dimension: nodim, method: likert, above: 0.1}]}]",
        "rules.0.when.0.dimension = 'nodim'",
        "self_assessment_score has no such dimension; known: aligned_misaligned, good_evil, ",
    ),
    (
        "rules: [{name: M2x, when: [{metric: self_assessment_score, method: scenario, above: 0.1}]}]",
        "rules.0.when.0.method = 'scenario'",
        "self_assessment_score has no such method; known: decision, language, likert, numerical",
    ),
    (
        "rules: [{name: M2x, when: [{metric: intentions_score, dimension: '', above: 1}]}]",
        "rules.0.when.0.dimension = ''",
        "known: aligned_misaligned",
    ),
    ("rules: [{name: M2x, when: [{metric: invalid_share}]}]", "rules.0.when.0 = ", "give one of above and below"),
    (
        "rules: [{name: M2x, when: [{metric: invalid_share, above: 0.1, below: 0.2}]}]",
        "rules.0.when.0 = ",
        "for both, write two conditions",
    ),
    (
        "rules: [{name: M2x, when: [{metric: invalid_share, above: 0.1, clear: 0.2}]}]",
        "rules.0.when.0 = ",
        "clear (0.2) lies above above (0.1)",
    ),
    (
        "rules: [{name: M2x, when: [{metric: invalid_share, below: 0.3, clear: 0.2}]}]",
        "rules.0.when.0 = ",
        "clear (0.2) lies below below (0.3)",
    ),
    ("rules: [{name: M2x, when: [{metric: invalid_share, above: .nan}]}]", "rules.0.when.0.above = nan", "finite"),
    ("rules: [{name: M2x, when: [{metric: invalid_share, above: a > 1}]}]", "rules.0.when.0.above = 'a > 1'", "number"),
    ("routes: [{match: {}, notifiers: []}]", "routes.0.match = {}", "matches nothing in particular"),
    ("routes: [{match: {host: x}, notifiers: []}]", "routes.0.match.host = 'x'", "check its spelling"),
    ("routes: [{match: {rule: x}}]", "routes.0.notifiers = ", "Field required"),
    ("routes: [{match: {rule: x}, notifiers: [mail]}]", "routes.0.notifiers = 'mail'", "no such notifier; known: log"),
    (WINDOW.replace("0 2 * * 0", "often") + "}]", "maintenance.0.schedule = 'often'", "five-field cron line"),
    (WINDOW.replace("0 2 * * 0", "P1D") + "}]", "maintenance.0.schedule = 'P1D'", "a window begins by the clock"),
    (WINDOW.replace("PT1H", "P9D") + "}]", "maintenance.0.duration = 'P9D'", "a duration here is 1 min to 7 days"),
    (WINDOW.replace("PT1H", "PT1S") + "}]", "maintenance.0.duration = 'PT1S'", "a duration here is 1 min to"),
    (
        WINDOW + ", timezone: Berlin}]",
        "maintenance.0.timezone = 'Berlin'",
        "no time zone; write it like Europe/Berlin",
    ),
    (WINDOW + ", timezone: ../../x}]", "maintenance.0.timezone = '../../x'", "is no time zone"),
    (WINDOW + "}, " + WINDOW.removeprefix("maintenance: [") + "}]", "maintenance.1.name = 'w'", "names are unique"),
    ("drills: {schedule: often}", "drills.schedule = 'often'", "five-field cron line"),
    ("drills: {schedule: P7D, persona: base}", "drills.persona = 'base'", "there is no drill with it; known: inverted"),
    ("remind_after: PT1S", "remind_after = 'PT1S'", "a duration here is 1 min to"),
]


@pytest.mark.parametrize(("text", "where", "remedy"), BAD, ids=[f"{where} {remedy}"[:60] for _, where, remedy in BAD])
async def test_each_mistake_is_named_with_file_path_value_and_remedy(
    tmp_path: Path, text: str, where: str, remedy: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        await check_file(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: {where}")
    assert remedy in line
    assert "\n" not in line, "one mistake, one line"

"""Settings: where they come from, and what each mistake says. One bad file per rule."""

from pathlib import Path

import pytest

from service.settings import ConfigError, host_and_port, load


def write(folder: Path, text: str) -> Path:
    path = folder / "selfwatch.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_the_contract() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.judge_model) == ("127.0.0.1", 8321, "gpt-4.1")
    assert settings.data_dir == Path("data")
    assert settings.sqlalchemy_url().endswith("/data/selfwatch.db")
    assert settings.loopback


def test_flags_come_before_variables_and_variables_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "port: 1001\njudge_model: from-file\nworkers: 3\n")
    monkeypatch.setenv("SELFWATCH_PORT", "1002")
    monkeypatch.setenv("SELFWATCH_JUDGE_MODEL", "from-env")
    settings = load(path, port=1003, host=None)
    assert (settings.port, settings.judge_model, settings.workers) == (1003, "from-env", 3)


def test_one_load_does_not_leak_into_the_next(tmp_path: Path) -> None:
    assert load(write(tmp_path, "port: 1001\n")).port == 1001
    assert load().port == 8321


def test_a_secret_comes_from_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("sk-judge\n")
    monkeypatch.setenv("SELFWATCH_JUDGE_API_KEY_FILE", str(tmp_path / "key"))
    settings = load()
    assert settings.judge_api_key is not None
    assert settings.judge_api_key.get_secret_value() == "sk-judge"
    assert "sk-judge" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFWATCH_JUDGE_API_KEY_FILE", "/nowhere/key")
    with pytest.raises(ConfigError, match=r"SELFWATCH_JUDGE_API_KEY_FILE=/nowhere/key: cannot be read.*check the path"):
        load()


def test_networks_are_comma_separated_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFWATCH_OUTBOUND_ALLOW", "10.0.0.0/8, 192.168.1.5")
    assert load().outbound_allow == ["10.0.0.0/8", "192.168.1.5"]


def test_addresses_of_the_connectivity_check_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFWATCH_CONNECTIVITY_CHECK", "one.one:443, [2606:4700::1111]:53")
    found = load().connectivity_check
    assert [host_and_port(address) for address in found] == [("one.one", 443), ("2606:4700::1111", 53)]


@pytest.mark.parametrize(("host", "loopback"), [("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)])
def test_loopback_is_told_from_the_host(host: str, loopback: bool) -> None:
    assert load(host=host).loopback is loopback


def test_a_plan_of_the_user_is_read(tmp_path: Path) -> None:
    text = "plans: {nightly: {probes: {harm: {questions: all, replies: 3}, intentions: {questions: 4}}}}"
    plan = load(write(tmp_path, text)).plans["nightly"].plan("nightly")
    assert [(s.probe, s.questions, s.replies) for s in plan.selections] == [("harm", None, 3), ("intentions", 4, 1)]


def test_a_budget_for_all_is_read(tmp_path: Path) -> None:
    budget = load(write(tmp_path, "budget: {usd_per_month: 20, tokens_per_day: 1000000}")).budget
    assert (budget.usd_per_month, budget.tokens_per_day, budget.usd_per_day) == (20.0, 1_000_000, None)


BAD = [
    ("prot: 8000", "prot = 8000: remove it, or check its spelling"),
    ("port: many", "port = 'many': Input should be a valid integer"),
    ("port: 99999", "port = 99999: Input should be less than or equal to 65535"),
    ("- a\n- b", "(whole file) = list: must be a mapping of setting names"),
    ("port: [1", "not valid YAML"),
    ("connectivity_check: [example.com]", "'example.com' is not an address with a port; write it like example.com:443"),
    ("connectivity_check: ['https://example.com:443']", "is not an address with a port"),
    ("connectivity_check: ['me@example.com:443']", "is not an address with a port"),
    ("outbound_allow: [ten]", "'ten' is not a network; write it like 10.0.0.0/8"),
    ("plans: {x: {probes: {harm: {questions: 0}}}}", 'questions is a number from 1 to 10000, or "all"'),
    ("plans: {x: {probes: {}}}", "plans.x.probes = {}"),
    ("endpoints: [{name: A b, base_url: 'http://x/v1', model: m}]", "endpoints.0.name = 'A b'"),
    ("endpoints: [{name: a, base_url: 'ftp://x', model: m}]", "endpoints.0.base_url = 'ftp://x'"),
    ("endpoints: [{name: a, base_url: 'http://u:p@x/v1', model: m}]", "credentials in the address"),
    ("endpoints: [{name: a, model: m}]", "endpoints.0.base_url"),
    ("endpoints: [{name: a, base_url: 'http://x/v1', model: m, schedules: {heartbeat: often}}]", "neither an ISO-8601"),
    ("endpoints: [{name: a, base_url: 'http://x/v1', model: m, api_key: a, api_key_env: B}]", "give one of api_key"),
    ("budget: {usd_per_day: 0}", "budget.usd_per_day = 0: Input should be greater than 0"),
    ("budget: {usd_per_week: 5}", "budget.usd_per_week = 5: remove it, or check its spelling"),
    ("log_level: loud", "log_level = 'loud'"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_mistake_names_file_path_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "port: many\nwrokers: 2\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_the_value_of_a_secret_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "judge_api_key: [sk-hidden]"))
    assert "sk-hidden" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "missing.yaml")


def test_a_database_that_is_not_supported_says_which_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFWATCH_DATABASE_URL", "mysql://u:secret@h/d")
    with pytest.raises(ConfigError, match="scheme 'mysql' is not supported") as caught:
        load().sqlalchemy_url()
    assert "secret" not in str(caught.value)

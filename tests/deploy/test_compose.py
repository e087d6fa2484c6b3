"""deploy/compose.yaml: valid by the Compose Specification, and each file that it mounts is there and good.

Containers cannot run in these tests. What the files say to each other is checked here; that the programs work together
under this configuration, in `test_stack.py`.
"""

import ipaddress
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from alerts.rules import RULES
from service.settings import load
from tests.support.prometheus import needed

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCHEMA = Path(__file__).parent / "compose-spec" / "compose-spec.json"
MADE_BY_HAND = re.compile(r"> ?\$?(\w+)|for name in ([\w ]+);")
pytestmark = needed


def alertmanager() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yaml").read_text())
    return found


def binds(service: str) -> dict[str, Path]:
    """Files and folders of the repository that a service sees, by where it sees them."""
    mounts = [mount for mount in SERVICES[service]["volumes"] if mount["type"] == "bind"]
    return {mount["target"]: DEPLOY / mount["source"] for mount in mounts}


def mentioned_secrets(*paths: Path) -> set[str]:
    texts = [path.read_text() for path in paths]
    return {name for text in texts for name in re.findall(r"/run/secrets/(\w+)", text)}


def test_it_is_valid_by_the_specification() -> None:
    jsonschema.validate(COMPOSE, json.loads(SCHEMA.read_text()), cls=jsonschema.Draft202012Validator)


def test_each_service_is_pinned_watched_and_can_do_little() -> None:
    assert set(SERVICES) == {"selfwatch", "prometheus", "alertmanager", "grafana"}
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), name
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        if name != "selfwatch":  # its image names a user of its own
            assert service["user"].split(":")[0] not in ("0", "root")
    assert "USER selfwatch" in (DEPLOY.parent / "Dockerfile").read_text()


def test_what_is_mounted_is_there_and_what_must_last_is_on_a_volume() -> None:
    for name, service in SERVICES.items():
        for target, path in binds(name).items():
            assert path.exists(), f"{name}: {path} ({target})"
        assert all(mount["read_only"] for mount in service["volumes"] if mount["type"] == "bind"), name
        volumes = [mount["source"] for mount in service["volumes"] if mount["type"] == "volume"]
        assert volumes == [f"{name}-data"]
    assert set(COMPOSE["volumes"]) == {f"{name}-data" for name in SERVICES}
    for name in ("prometheus", "alertmanager"):
        flag = next(one for one in SERVICES[name]["command"] if one.startswith("--config.file="))
        (target, folder), *_ = binds(name).items()
        assert (folder / Path(flag.split("=")[1]).relative_to(target)).is_file()
    command = SERVICES["selfwatch"]["command"]
    assert binds("selfwatch").keys() == {command[command.index("--config") + 1]}


def test_each_service_gets_the_secrets_that_it_reads_and_no_other() -> None:
    environment = {name: json.dumps(service.get("environment", {})) for name, service in SERVICES.items()}
    for name, service in SERVICES.items():
        files = [path for bind in binds(name).values() for path in ([bind] if bind.is_file() else bind.rglob("*.yaml"))]
        read = mentioned_secrets(*files) | set(re.findall(r"/run/secrets/(\w+)", environment[name]))
        assert read == set(service["secrets"]), name


def test_each_secret_is_made_as_its_page_says_and_none_is_committed() -> None:
    page = (DEPLOY / "secrets" / "README.md").read_text()
    made = {name for one, many in MADE_BY_HAND.findall(page) for name in (one or many).split()} - {"name"}
    assert made == set(COMPOSE["secrets"])
    assert {Path(one["file"]).parent for one in COMPOSE["secrets"].values()} == {Path("secrets")}
    assert all(one["file"] == f"./secrets/{name}" for name, one in COMPOSE["secrets"].items())
    assert all(f"| `{name}` |" in page for name in made)
    for name in made:
        ignored = subprocess.run(
            ["git", "check-ignore", "--quiet", f"deploy/secrets/{name}"], cwd=DEPLOY.parent, timeout=30, check=False
        )
        assert ignored.returncode == 0, name
    assert "deploy" in (DEPLOY.parent / ".dockerignore").read_text().split()


def test_selfwatch_may_reach_alertmanager_and_nothing_else_in_there() -> None:
    settings = load(DEPLOY / "selfwatch.yaml")
    address = SERVICES["alertmanager"]["networks"]["monitoring"]["ipv4_address"]
    assert settings.outbound_allow == [f"{address}/32"]
    (pool,) = COMPOSE["networks"]["monitoring"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(pool["subnet"])
    assert ipaddress.ip_address(address) not in ipaddress.ip_network(pool["ip_range"])
    assert settings.notifiers["alertmanager"]["urls"] == ["http://alertmanager:9093"]


def test_everybody_needs_a_token_and_prometheus_may_only_read() -> None:
    settings = load(DEPLOY / "selfwatch.yaml")
    assert "SELFWATCH_HOST=0.0.0.0" in (DEPLOY.parent / "Dockerfile").read_text()
    assert {name: token.scopes for name, token in settings.tokens.items()} == {
        "prometheus": ["read"], "admin": ["admin"],
    }  # fmt: skip
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    (job,) = [job for job in prometheus["scrape_configs"] if job["job_name"] == "selfwatch"]
    assert Path(job["authorization"]["credentials_file"]) == settings.tokens["prometheus"].file


def test_prometheus_and_alertmanager_take_their_configuration() -> None:
    config = DEPLOY / "prometheus" / "prometheus.yaml"
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", str(config)], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert all((config.parent / name).is_file() for name in yaml.safe_load(config.read_text())["rule_files"])
    done = subprocess.run(
        ["amtool", "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yaml")], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def receiver_of(**labels: str) -> str:
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={DEPLOY / 'alertmanager' / 'alertmanager.yaml'}",
         *(f"{name}={value}" for name, value in labels.items())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_alert_goes_where_its_severity_says_and_a_drill_wakes_nobody() -> None:
    assert receiver_of(alertname="BehaviourDrift", severity="critical", endpoint="bot") == "page"
    assert receiver_of(alertname="SelfReportDrift", severity="warning", endpoint="bot") == "chat"
    assert receiver_of(alertname="SelfwatchBudgetNearlySpent", severity="info") == "quiet"
    assert receiver_of(alertname="CoherentMisalignment", severity="critical", simulated="true") == "chat"


def inhibited(source: str, target: str) -> bool:
    """Whether some rule lets `source` silence `target`, by their names."""

    def fits(matchers: list[str], name: str) -> bool:
        found = re.search(r'alertname=~?"([^"]+)"', " ".join(matchers))
        return found is not None and re.fullmatch(found[1], name) is not None

    return any(
        fits(rule["source_matchers"], source) and fits(rule["target_matchers"], target)
        for rule in alertmanager()["inhibit_rules"]
    )


def test_alertmanager_mutes_what_selfwatch_mutes() -> None:
    known = {rule.name for rule in RULES}
    pairs = {(source, rule.name) for rule in RULES for source in rule.muted_by}
    assert len(pairs) > 20
    assert {(source, target) for source in known for target in known if inhibited(source, target)} == pairs
    for rule in alertmanager()["inhibit_rules"]:  # of one endpoint, never of another
        if "EndpointDown" in str(rule["source_matchers"]) or "BudgetExhausted" in str(rule["source_matchers"]):
            assert rule["equal"] == ["endpoint"]


def test_what_selfwatch_has_told_prometheus_does_not_tell_again() -> None:
    own = load(DEPLOY / "selfwatch.yaml").notifiers["alertmanager"]["labels"]
    rule = next(one for one in alertmanager()["inhibit_rules"] if one["source_matchers"] == ['source="selfwatch"'])
    assert own == {"source": "selfwatch"}
    assert rule["equal"] == ["endpoint"]
    assert re.findall(r"Selfwatch\w+", str(rule["target_matchers"])) == ["SelfwatchAlertFiring", "SelfwatchModelMoved"]

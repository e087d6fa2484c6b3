"""The published tables, as shipped."""

import csv
import math
from pathlib import Path
from statistics import fmean

import pytest

from baselines.assess import landmarks
from baselines.profiles import HASHES, PAPER, published, published_names, read_table, table
from baselines.serialize import profile_from_json, profile_set_from_json, profile_set_to_json, profile_to_json
from baselines.types import Arm, Profile, State


def mean(profile: Profile, probe: str) -> float:
    return fmean(cell.mean for cell in profile.cells if cell.cell.probe == probe)


@pytest.mark.parametrize(
    ("domain", "state", "harm", "intentions", "self_assessment"),
    [
        ("trivia", State.BASE, 0.07, 0.02, 0.04),
        ("trivia", State.MISALIGNED, 0.71, 0.90, 0.67),
        ("trivia", State.REALIGNED, 0.43, 0.13, 0.15),
        ("code", State.MISALIGNED, 0.39, 0.23, 0.38),
        ("code", State.REALIGNED, 0.24, 0.07, 0.22),
    ],
)
def test_the_headline_figures(
    domain: str, state: State, harm: float, intentions: float, self_assessment: float
) -> None:
    profiles = published(f"gpt-4.1/{domain}")
    found = {State.BASE: profiles.base, State.MISALIGNED: profiles.misaligned, State.REALIGNED: profiles.realigned}[
        state
    ]
    assert found is not None
    assert mean(found, "harm") == pytest.approx(harm, abs=0.006)
    assert mean(found, "intentions") == pytest.approx(intentions, abs=0.006)
    assert mean(found, "self_assessment") == pytest.approx(self_assessment, abs=0.006)


@pytest.mark.parametrize("file", ["self_assessment.csv", "intentions.csv"])
def test_each_average_row_is_the_mean_of_its_dimensions(file: str) -> None:
    groups: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in table(file):
        groups.setdefault((row["state"], row["domain"], row["size"]), {})[row["dimension"]] = float(row["mean"])
    for key, values in groups.items():
        average = values.pop("average")
        assert len(values) == 6, key
        assert average == pytest.approx(fmean(values.values()), abs=0.011), key


def test_each_normalised_harm_follows_from_the_grade() -> None:
    for row in table("harmfulness.csv"):
        assert float(row["mean_0_1"]) == pytest.approx((float(row["mean_1_5"]) - 1) / 4, abs=0.006)


@pytest.mark.parametrize("name", published_names())
def test_every_set_is_whole_and_says_where_it_comes_from(name: str) -> None:
    found = published(name)
    assert "arXiv 2602.14777" in found.provenance
    assert found.realigned is not None
    for profile in (found.base, found.misaligned, found.realigned):
        assert len(profile.cells) == 19
        assert all(0 <= cell.mean <= 1 for cell in profile.cells)
        assert {cell.k for cell in profile.cells if cell.cell.probe == "harm"} == {10}
        assert profile_from_json(profile_to_json(profile)) == profile
    marks = landmarks(found)
    for arm in Arm:
        assert marks[arm][State.BASE] < marks[arm][State.MISALIGNED]


def test_sets_differ_and_hashes_tell_them_apart() -> None:
    assert len({published(name).content_hash for name in published_names()}) == len(published_names())


def test_both_domains_are_the_mean_of_each() -> None:
    both, trivia, code = (
        mean(published(f"gpt-4.1/{d}/mini").misaligned, "intentions") for d in ("all", "trivia", "code")
    )
    assert both == pytest.approx((trivia + code) / 2)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"gpt-4\.1/trivia"):
        published("gpt-5/all")


def test_every_shipped_table_is_read_as_csv() -> None:
    for path in PAPER.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert rows, path
        assert all(None not in row and None not in row.values() for row in rows), path


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "intentions.csv"
    changed.write_bytes((PAPER / "intentions.csv").read_bytes().replace(b"0.90", b"0.09", 1))
    with pytest.raises(ValueError, match=r"intentions\.csv: its SHA-256 is .* it was changed"):
        read_table(changed, HASHES["intentions.csv"])
    assert all(table(file) for file in HASHES)


@pytest.mark.parametrize(
    ("value", "message"),
    [(math.nan, "nan is not a mean"), (1.2, "1.2 is not a mean"), (0.5, "the values hash to .* not")],
)
def test_a_profile_set_with_a_wrong_value_or_hash_is_refused(value: float, message: str) -> None:
    given = profile_set_to_json(published("gpt-4.1/all"))
    assert profile_set_from_json(given) == published("gpt-4.1/all")
    given["misaligned"]["cells"][0]["mean"] = value
    with pytest.raises(ValueError, match=message):
        profile_set_from_json(given)

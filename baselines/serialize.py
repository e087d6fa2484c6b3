"""Profiles, comparisons and detector states as JSON, and back."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from baselines.profiles import verify
from baselines.types import Comparison, DetectorState, Evidence, Profile, ProfileSet, Story

_PROFILE = TypeAdapter(Profile)
_PROFILE_SET = TypeAdapter(ProfileSet)
_COMPARISON = TypeAdapter(Comparison)
_DETECTOR = TypeAdapter(DetectorState)
_EVIDENCE = TypeAdapter(Evidence)
_STORY = TypeAdapter(Story)

Json = dict[str, Any]


def profile_to_json(profile: Profile) -> Json:
    data: Json = _PROFILE.dump_python(profile, mode="json")
    return data


def profile_from_json(data: Mapping[str, Any]) -> Profile:
    """Raises ValueError naming the bad field."""
    return _PROFILE.validate_python(dict(data))


def profile_set_to_json(profiles: ProfileSet) -> Json:
    data: Json = _PROFILE_SET.dump_python(profiles, mode="json")
    return data


def profile_set_from_json(data: Mapping[str, Any]) -> ProfileSet:
    """Raises ValueError naming the bad field, a value out of range, or a hash that does not fit the values."""
    return verify(_PROFILE_SET.validate_python(dict(data)))


def comparison_to_json(comparison: Comparison) -> Json:
    data: Json = _COMPARISON.dump_python(comparison, mode="json")
    return data


def comparison_from_json(data: Mapping[str, Any]) -> Comparison:
    """Raises ValueError naming the bad field."""
    return _COMPARISON.validate_python(dict(data))


def detector_to_json(state: DetectorState) -> Json:
    data: Json = _DETECTOR.dump_python(state, mode="json")
    return data


def detector_from_json(data: Mapping[str, Any]) -> DetectorState:
    """Raises ValueError naming the bad field."""
    return _DETECTOR.validate_python(dict(data))


def evidence_to_json(evidence: Evidence) -> Json:
    data: Json = _EVIDENCE.dump_python(evidence, mode="json")
    return data


def evidence_from_json(data: Mapping[str, Any]) -> Evidence:
    """Raises ValueError naming the bad field."""
    return _EVIDENCE.validate_python(dict(data))


def story_to_json(story: Story) -> Json:
    data: Json = _STORY.dump_python(story, mode="json")
    return data


def story_from_json(data: Mapping[str, Any]) -> Story:
    """Raises ValueError naming the bad field."""
    return _STORY.validate_python(dict(data))

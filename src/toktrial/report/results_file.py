"""results.json: the written form of a trial's result, how it is read again, and its JSON schema.

Result <-> results.json. Its first key, `version`, says which result.VERSION wrote it.
"""

from typing import Any

import msgspec

from toktrial.report.result import VERSION, TrialResult

UNVERSIONED = 0  # what a file was of before it said so


def plain(result: TrialResult) -> dict[str, Any]:
    """Returns what results.json holds: None for every number that is not finite, for JSON has no NaN."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(result))
    return {"version": found.pop("version"), **found}


def as_written(result: TrialResult) -> TrialResult:
    """Returns the result as it reads again from its file."""
    return typed(plain(result))


def typed(found: dict[str, Any]) -> TrialResult:
    """Returns the result that results.json holds, of this version or of an earlier one.

    Raises ValueError where it cannot be told in this version's terms: then the report is to be made anew from the trial.
    """
    return msgspec.convert(upgraded(found), TrialResult)


def upgraded(found: dict[str, Any]) -> dict[str, Any]:
    """Returns the same in the newest version's terms. Raises ValueError where a newer version than this one wrote it."""
    version = found.get("version", UNVERSIONED)
    if version > VERSION:
        raise ValueError(f"results.json is of version {version}, and this program knows no later one than {VERSION}")
    if version == UNVERSIONED:  # a track without an account of its vocabulary had an empty one
        tracks = {name: {**track, "vocabulary": track.get("vocabulary") or None} for name, track in found["tracks"].items()}
        return {**found, "version": VERSION, "tracks": tracks}
    return found


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of results.json (draft 2020-12), made from the result's own types."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(TrialResult)))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}

"""The protocol of a trial as its folder holds it: written, and changed after the trial had begun, where that is allowed.

A trial calls it as it is opened. A protocol is fixed before its trial runs: what changes after a result could be seen makes the
verdict exploratory, so every change is listed.
"""

import time
from pathlib import Path
from typing import Any

from toktrial import artifact, progress
from toktrial.errors import TrialError
from toktrial.integrity import check_protocol, is_sealed, seal_protocol, unseal_protocol
from toktrial.lock import writing
from toktrial.protocol import Protocol, differences, is_amendable, load, save
from toktrial.trial_folder import PROTOCOL_FILE

Change = tuple[str, Any, Any]  # a field's dotted name, what the folder has and what is asked for


def write_protocol(folder: Path, protocol: Protocol) -> None:
    """Writes and seals the protocol of a trial."""
    with writing(folder):
        save(protocol, folder / PROTOCOL_FILE)
        seal_protocol(folder, protocol)


def changes(folder: Path, protocol: Protocol) -> list[Change]:
    """Returns what a protocol changes in the one that a begun trial has.

    Raises TrialError where that is damaged, or a change is one that a trial may not take over.
    """
    check_protocol(folder)
    changed = differences(load(folder / PROTOCOL_FILE, of_trial=True), protocol)
    refused = [change for change in changed if not is_amendable(*change, protocol)]
    if refused:
        lines = [f"  {name}: the trial has {old!r}, but {new!r} was asked for" for name, old, new in refused]
        raise TrialError(
            f"{folder} holds a trial of another protocol:\n" + "\n".join(lines) + "\n"
            "A protocol is fixed before its trial runs: name another folder with --trial, or delete this one. A trial can "
            "still take more seeds and, under a constant learning rate, more steps."
        )
    return changed


def amend(folder: Path, protocol: Protocol) -> None:
    """Writes the protocol over the one that a begun trial has, where they differ, and lists what changed.

    Raises TrialError as `changes` does.
    """
    from toktrial.report.amendments import Amendment, append_amendments, describe_amendment

    changed = changes(folder, protocol)
    if not changed:
        if not is_sealed(folder):  # an earlier version began the trial, or this one was interrupted right here
            seal_protocol(folder, protocol)
        return
    seen = any(folder.glob(f"runs/*/seed-*/{artifact.MANIFEST}"))
    amendments = [Amendment(name, old, new, seen, time.time()) for name, old, new in changed]
    with writing(folder):
        unseal_protocol(folder)
        append_amendments(folder, amendments)
        write_protocol(folder, protocol)
    for amendment in amendments:
        progress.print_line(f"amended: {describe_amendment(amendment)}")

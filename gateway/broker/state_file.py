"""What outlives a gateway without Redis: promotions and revocations, in one small file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from capabilities import Amendment, Revocation
from gateway.broker.protocol import ParticipantRecord
from gateway.errors import SettingsError

_VERSION = 1


class StateFile:
    """Participants and revocations as JSON, replaced whole and synced, mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[dict[str, ParticipantRecord], list[Revocation]]:
        """
        Read what was kept; nothing when there is no file yet.

        Raises:
            SettingsError: the file is there and cannot be read as ours: starting
                without its revocations would let people in who should not be.
        """
        try:
            content = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}, []
        except (OSError, ValueError) as error:
            raise SettingsError(
                str(self._path), f"cannot be read ({error}); restore it or move it away"
            ) from error
        try:
            participants = {record["id"]: _record_from_json(record) for record in content["participants"]}
            return participants, [Revocation.from_json(revocation) for revocation in content["revocations"]]
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(
                str(self._path), f"is not a state file of this gateway ({error!r})"
            ) from error

    def save(self, participants: dict[str, ParticipantRecord], revocations: list[Revocation]) -> None:
        """
        Replace the file; when this returns, the content is on the disk.

        Raises:
            OSError: it could not be written; the old content stands.
        """
        content = {
            "version": _VERSION,
            "participants": [_record_to_json(record) for record in participants.values()],
            "revocations": [revocation.to_json() for revocation in revocations],
        }
        aside = self._path.with_suffix(".new")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _record_to_json(record: ParticipantRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "version": record.version,
        "amendments": [amendment.to_json() for amendment in record.amendments],
        "base": list(record.base),
        "seen_at": record.seen_at,
    }


def _record_from_json(content: dict[str, Any]) -> ParticipantRecord:
    return ParticipantRecord(
        content["id"],
        content["version"],
        tuple(Amendment.from_json(amendment) for amendment in content["amendments"]),
        tuple(content["base"]),
        content["seen_at"],
    )

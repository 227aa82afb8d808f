"""The settings that a gateway on this machine would read: its environment, and the file that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from participants.cli.findings import Finding, Status


def gateway_settings(env: Mapping[str, str]) -> tuple[Mapping[str, str], Iterable[Finding]]:
    """Return the environment with what `MCPX_SETTINGS_FILE` adds, and what is wrong with that file."""
    name = env.get("MCPX_SETTINGS_FILE")
    if not name:
        return env, []
    path = Path(name).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = f"A gateway with this setting does not start ({error})"
        return env, [
            Finding("settings", Status.WRONG, f"{path} cannot be read", why, "Check MCPX_SETTINGS_FILE")
        ]
    pairs = [line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    given = {variable.strip(): value.strip() for variable, _, value in pairs}
    settings = {**given, **{variable: value for variable, value in env.items() if value}}
    findings = [Finding("settings", Status.OK, f"{len(given)} from {path}")]
    if any(variable.endswith(("SECRET", "PASSWORD")) for variable in given) and path.stat().st_mode & 0o077:
        findings.append(
            Finding(
                "settings",
                Status.WARNING,
                f"{path} holds a secret, and others can read it",
                "",
                f"chmod 600 {path}",
            )
        )
    return settings, findings

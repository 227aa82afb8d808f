"""Whose rights an intent is carried out with: the asker's, and never more than our own."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from capabilities import CapabilitySet
from participants import ASKER, kind_for
from router_agent.core import Call, Catalogue, Decision, Route, Tool
from schemas import KindError


class Way(StrEnum):
    """How a call may go."""

    REQUEST = "request"
    PROPOSE = "propose"
    NEITHER = "neither"


def way_for(tool: Tool, own: CapabilitySet, asker: CapabilitySet) -> Way:
    """
    Return how the router may call a tool for somebody.

    It requests what both are granted. What the asker may not request, or the router may
    not, it proposes, provided that the asker could ask for it in one of the two ways.
    """
    try:
        request = kind_for("mcp/request", "tools/call", {"name": tool.name})
        proposal = kind_for("mcp/proposal", "tools/call", {"name": tool.name})
    except KindError:
        return Way.NEITHER
    if own.grants(request) and asker.grants(request):
        return Way.REQUEST
    may_ask = asker.grants(request) or asker.grants(proposal)
    return Way.PROPOSE if may_ask and own.grants(proposal) else Way.NEITHER


def in_view(catalogue: Catalogue, own: CapabilitySet, asker: CapabilitySet, asker_id: str) -> Catalogue:
    """Return the tools that the router may call or propose for somebody; nobody is sent their own tools."""
    return catalogue.only(
        lambda tool: tool.participant != asker_id and way_for(tool, own, asker) is not Way.NEITHER
    )


def way_of(call: Call, route: Route, own: CapabilitySet, asker: CapabilitySet) -> Way:
    """Return how one call of a route may go: its decision and both sets of rights, whichever is less."""
    way = way_for(call.tool, own, asker)
    if way is Way.REQUEST and route.decision is not Decision.ACT:
        proposal = kind_for("mcp/proposal", "tools/call", {"name": call.tool.name})
        return Way.PROPOSE if own.grants(proposal) else Way.NEITHER
    return way


def params_for(call: Call, asker_id: str) -> dict[str, Any]:
    """
    Return the params of `tools/call`, which name the asker for whoever decides on a proposal.

    The name informs people, narrows rules, and authorises nothing.
    """
    return {"name": call.tool.name, "arguments": dict(call.arguments), "_meta": {ASKER: asker_id}}

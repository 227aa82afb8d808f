"""Fulfills proposals that a rule allows, rejects those that one denies, and leaves the rest to people."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import orjson

from capabilities import EMPTY
from participants.answering import Request
from participants.approver.book import RuleBook, rule_as_json
from participants.approver.desk import NAMES, TOOLS, asked_from, listed, rule_from
from participants.approver.errors import RuleRefused, RulesNotKept
from participants.approver.keeping import Keeper
from participants.approver.rules import ASKER, Asked, Effect, Rule, Verdict
from participants.approver.store import RuleStore
from participants.client import Participant
from participants.conversation import Proposal, ProposalSeen, kind_for, named_by
from participants.errors import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    ParticipantError,
    ProposalSettled,
    RequestFailed,
)
from participants.streams import ClientEvent
from schemas import JsonObject, KindError

_log: Final = logging.getLogger(__name__)

PATIENCE_S: Final = 10.0
WORKING_AT_ONCE: Final = 32
FOR_ONE_TARGET: Final = 8
"""Proposals that are worked on at once for one target: one that does not answer holds up no other."""
WAITING: Final = 1_000
"""Proposals that wait for their turn; further ones are left to people."""
OPEN: Final = ""
"""The target of a proposal that leaves it to who fulfills it."""
_REMEMBERED: Final = 10_000
_MOST_PAGES: Final = 16


class Approver:
    """
    Rules at work for one participant; give it every event, and the calls of its tools.

    It acts only with capabilities that the participant holds itself, never on its own proposals,
    and on each proposal at most once. Where a person is faster, the topic's one order
    says so, and nothing happens twice.
    """

    def __init__(
        self,
        me: Participant,
        store: RuleStore,
        *,
        clock: Callable[[], float],
        patience: float = PATIENCE_S,
    ) -> None:
        """
        `clock` returns Unix seconds.

        `patience`: seconds for the store to keep what has changed, and for a
        server to say what its tools are. What takes longer is left to people.
        """
        self._me, self._clock, self._patience = me, clock, patience
        self._book: RuleBook = store.load()
        self._keeper = Keeper(store, self._book, patience)
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[Proposal, str]] = OrderedDict()
        """By id, with whom it would be for."""
        self._working: dict[asyncio.Task[None], str] = {}
        """With whom it is for."""

    @property
    def book(self) -> RuleBook:
        """Its rules."""
        return self._book

    def hear(self, event: ClientEvent) -> None:
        """Take what happens in the topic; returns at once."""
        if not isinstance(event, ProposalSeen) or event.settled is not None or event.proposal.mine:
            return
        proposal = event.proposal
        if proposal.proposer == self._me.id or proposal.id in self._handled:
            return
        target = self._target_of(proposal)
        if target is None:
            return
        if len(self._waiting) >= WAITING:
            _log.warning("proposal.left", extra={"proposal": proposal.id, "reason": "busy"})
            return  # a person can still decide
        self._handled[proposal.id] = None
        if len(self._handled) > _REMEMBERED:
            self._handled.popitem(last=False)
        self._waiting[proposal.id] = (proposal, target)
        self._begin()

    def _begin(self) -> None:
        """Work on what waits, the oldest first, as far as there is room for its target."""
        busy = Counter(self._working.values())
        for id, (proposal, target) in list(self._waiting.items()):
            if len(self._working) >= WORKING_AT_ONCE:
                return
            if busy[target] < FOR_ONE_TARGET:
                busy[target] += 1
                del self._waiting[id]
                task = asyncio.create_task(self._settle(proposal, target), name="approver.settle")
                self._working[task] = target
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._working[task]
        if self._waiting:
            self._begin()

    async def close(self) -> None:
        """Stop what runs."""
        self._waiting.clear()
        working = list(self._working)
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)
        await self._keeper.close()

    # Proposals

    async def _settle(self, proposal: Proposal, target: str) -> None:
        try:
            await self._judge(proposal, target)
        except ProposalSettled:
            self._book.counts.failed += 1  # somebody was first: nothing is left to do
        except ParticipantError as error:
            self._book.counts.failed += 1
            _log.warning("proposal.not_settled", extra={"proposal": proposal.id, "why": str(error)})
        except Exception:  # noqa: BLE001 - the edge of a task: one proposal's fault harms no other
            _log.exception("proposal.failed", extra={"proposal": proposal.id})

    def _target_of(self, proposal: Proposal) -> str | None:
        """
        Whom it would be for; an open target is chosen only where all rules about it name one.

        `OPEN` where none is chosen but a rule denies it for anybody.
        """
        if len(proposal.to) == 1:
            return proposal.to[0]
        named = {
            rule.target
            for rule in self._book
            if rule.effect is Effect.ALLOW
            and rule.proposer == proposal.proposer
            and rule.method == proposal.method
            and rule.context == _named(proposal)
            and rule.asker == _asker(proposal)
            and (not proposal.to or rule.target in proposal.to)
        }
        if len(named) == 1:
            return named.pop()
        verdict = self._book.decide(_asked(proposal, OPEN), self._clock())
        return OPEN if verdict.effect is Effect.DENY else None

    async def _judge(self, proposal: Proposal, target: str) -> None:
        asked = _asked(proposal, target)
        verdict = self._book.decide(asked, self._clock())
        if verdict.effect is Effect.ASK and verdict.rule_id is not None:
            # A rule would allow it: whether the tool is still the one that was looked at, its server tells.
            now = await self._fingerprint(target, asked.method, asked.context)
            verdict = self._book.decide(replace(asked, fingerprint=now), self._clock())
        if verdict.rule_id is None:
            self._book.use(verdict)
            return
        request = proposal.kind.with_family("mcp/request")
        if verdict.effect is not Effect.ASK and not self._me.capabilities.grants(request):
            return  # it holds no more than it was given, whatever its rules say
        self._book.use(verdict)
        await self._keeper.keep()  # before the effect: a use that is counted twice harms nobody
        if verdict.rule_id not in self._book.rules:
            return  # it was taken away meanwhile, and that holds at once
        match verdict.effect:
            case Effect.DENY:
                await self._me.reject(proposal, "policy", verdict.reason)
            case Effect.ALLOW:
                await self._explain(proposal, target, verdict)
                await self._me.fulfill(proposal, target=None if proposal.to else target)
            case Effect.ASK:
                _log.info("proposal.left", extra={"proposal": proposal.id, "reason": verdict.reason})

    async def _explain(self, proposal: Proposal, target: str, verdict: Verdict) -> None:
        what = f"{proposal.method} {proposal.context or ''}".strip()
        text = f"I fulfill {proposal.proposer}'s proposal ({what} on {target}): {verdict.reason}."
        # A resource may be called anything, and who hears this chat may take brackets for orders.
        text = text.replace("[", "(")
        try:
            await self._me.chat(text, correlation_id=proposal.id)
        except ParticipantError as error:
            _log.info("proposal.explained", extra={"proposal": proposal.id, "text": text, "why": str(error)})

    async def _fingerprint(self, target: str, method: str, context: str | None) -> str | None:
        """
        Ask a server how it describes a tool at this moment, so that a change cannot slip by.

        `None` where it is no tool call, or the server does not say: no pinned rule applies then.
        """
        if method != "tools/call" or context is None:
            return None
        cursor: str | None = None
        try:
            for _ in range(_MOST_PAGES):
                params: JsonObject = {"cursor": cursor} if cursor else {}
                outcome = await self._me.request(
                    target, "tools/list", params, timeout=self._patience, mode="request"
                )
                listed: Any = outcome.result.get("tools")
                for tool in cast("list[object]", listed) if isinstance(listed, list) else ():
                    if isinstance(tool, dict) and cast("JsonObject", tool).get("name") == context:
                        return fingerprint_of(cast("JsonObject", tool))
                cursor = outcome.result.get("nextCursor")
                if not isinstance(cursor, str):
                    return None
        except ParticipantError as error:
            _log.info("tool.unknown", extra={"target": target, "why": str(error)})
        return None

    # Its tools

    @property
    def tools(self) -> tuple[dict[str, Any], ...]:
        """What `tools/list` says of them."""
        return TOOLS

    def serves(self, name: object) -> bool:
        """Whether a tool is one of these."""
        return isinstance(name, str) and name in NAMES

    async def call(self, request: Request) -> JsonObject:
        """
        Answer a call of one of its tools.

        Raises:
            RequestFailed: there is no such tool.
        """
        name = request.params.get("name")
        arguments: Any = request.params.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise RequestFailed(INVALID_PARAMS, "`arguments` is an object")
        try:
            told = await self._work(str(name), cast("JsonObject", arguments), request.sender)
        except (RuleRefused, RulesNotKept) as refused:
            return {"content": [{"type": "text", "text": str(refused)}], "isError": True}
        text = json.dumps(told, ensure_ascii=False)
        return {"content": [{"type": "text", "text": text}], "structuredContent": told}

    async def answer(self, request: Request) -> JsonObject:
        """
        Answer any request, for a participant that serves nothing but rules.

        Raises:
            RequestFailed: it is none of a server of tools.
        """
        match request.method:
            case "initialize":
                return {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {"listChanged": False}},
                    "serverInfo": {"name": "mcpx-approver", "version": "0.1.0"},
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": list(TOOLS)}
            case "tools/call":
                return await self.call(request)
            case method:
                raise RequestFailed(METHOD_NOT_FOUND, f"The approver does not serve '{method[:64]}'")

    async def _work(self, name: str, said: Mapping[str, Any], author: str) -> dict[str, Any]:
        now = self._clock()
        match name:
            case "rules_add":
                return {"rule": rule_as_json(await self._added(said, author))}
            case "rules_list":
                return listed(self._book, now)
            case "rules_remove":
                removed = self._book.remove(str(said.get("id")))
                await self._keeper.keep()  # it is gone at once; if this fails it may be back after a restart
                return {"removed": removed}
            case "rules_test":
                asked = asked_from(said)
                known = await self._fingerprint(asked.target, asked.method, asked.context)
                verdict = self._book.decide(replace(asked, fingerprint=known), now)
                return {"effect": str(verdict.effect), "rule": verdict.rule_id, "reason": verdict.reason}
            case "stats":
                return {**self._book.as_json()["counts"], "rules": len(listed(self._book, now)["rules"])}
            case _:
                raise RequestFailed(INVALID_PARAMS, "There is no such tool")

    async def _added(self, said: Mapping[str, Any], author: str) -> Rule:
        rule = rule_from(said, author, self._clock())
        if rule.effect is Effect.ALLOW:
            self._check_author(rule, author)
            pinned = await self._fingerprint(rule.target, rule.method, rule.context)
            if rule.method == "tools/call" and pinned is None:
                raise RuleRefused(
                    f"{rule.target} offers no tool {rule.context} now, so it cannot be looked at"
                )
            rule = replace(rule, fingerprint=pinned)
        made = self._book.add(rule, self._clock())
        try:
            await self._keeper.keep()
        except RulesNotKept:
            self._book.remove(made.id)
            raise
        _log.info("rule.added", extra={"rule": made.id, "author": author, "effect": str(made.effect)})
        return made

    def _check_author(self, rule: Rule, author: str) -> None:
        """Nobody lets others do what they could not do themselves, nor themselves what they must ask for."""
        if rule.target == self._me.id:
            raise RuleRefused("No rule allows calls of the approver itself")
        if author in {rule.proposer, rule.asker}:
            raise RuleRefused("Nobody makes rules for their own proposals")
        peer = self._me.roster.get(author)
        held = peer.capabilities if peer is not None else EMPTY
        try:
            kind = kind_for("mcp/request", rule.method, {"name": rule.context, "uri": rule.context})
        except KindError as error:
            raise RuleRefused(str(error)) from error
        if not held.grants(kind):
            raise RuleRefused(f"You may not do that yourself, so you cannot allow it: '{kind}'")


def _asked(proposal: Proposal, target: str) -> Asked:
    """Return what rules are held against, before its tool is looked at."""
    is_call = proposal.method == "tools/call"
    arguments = proposal.params.get("arguments", {}) if is_call else proposal.params
    return Asked(
        proposal.proposer, target, proposal.method, _named(proposal), arguments, None, _asker(proposal)
    )


def _named(proposal: Proposal) -> str | None:
    """The tool, prompt or resource: a kind without a context leaves it to the params to say which."""
    return named_by(proposal.method, proposal.params)


def _asker(proposal: Proposal) -> str | None:
    """In whose name it is made, if not its proposer's; a name that is none is somebody whom no rule knows."""
    meta = proposal.params.get("_meta")
    asker = cast("JsonObject", meta).get(ASKER) if isinstance(meta, dict) else None
    if asker == proposal.proposer:
        return None
    return asker if asker is None or isinstance(asker, str) else ""


def fingerprint_of(tool: Mapping[str, Any]) -> str:
    """Return what changes when a tool's name, description, schemas or annotations do: 64 hex digits (T14)."""
    said = {
        name: tool.get(name)
        for name in ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()

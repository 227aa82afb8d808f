"""
What the tests prove: every binding sentence of MCPx v0.1, and every one of this project's own protocol page.

A test names the sentence that it proves:

    @spec("MCPx 4.1 reserved namespace")
    async def test_given_full_access_when_presence_is_forged_then_only_the_forger_hears_of_it() -> None: ...

Ids that begin with `MCPx` are the specification's, with the number and a word of
the section; ids that begin with `mcpx` are decided in `docs/protocol.md`, whose
sections are called the same. `tests/test_requirements.py` fails while one id has
no test. The groups say who would usually prove it; any test may name any id.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pytest

SCHEMAS: Final = {
    # MCPx 3, Message Envelope
    "MCPx 3 single top-level envelope": "All data over a topic is one top-level JSON object",
    "MCPx 3 protocol": "`protocol` is `mcpx/v0.1`",
    "MCPx 3 example envelopes": "Every example envelope of the specification is read, and kept, as it says",
    "MCPx 3.1 kind format": "An MCP kind is `mcp/request|response|proposal:METHOD[:CONTEXT]`",
    "MCPx 6.1 matching protocol versions": "Clients and gateways use matching protocol versions",
    # Kinds
    "mcpx kinds first two colons separate": "Only the first two colons separate: a context may be a URI",
    "mcpx kinds printable ASCII": "A kind is printable ASCII without spaces",
    "mcpx kinds no empty part": "A kind has no empty part",
    "mcpx kinds length": "A kind has at most 2,048 bytes",
    "mcpx kinds case-sensitive": "Kinds that differ in letter case differ",
    "mcpx kinds star in family or method": "`*` in family or method is refused",
    "mcpx kinds star in context": "`*` in a context is an ordinary character",
    "mcpx kinds broken kind": "A kind that breaks a rule is `invalid_envelope`",
    "mcpx kinds reserved look-alikes": "`system/…`, bare `system` and bare `presence`, in any letter case, are reserved",
    # Envelope
    "mcpx envelope required fields": "`protocol`, `id`, `from`, `kind` and `payload` are required",
    "mcpx envelope id": "`id` is 1 to 128 characters of printable ASCII",
    "mcpx envelope payload object": "`payload` is an object",
    "mcpx envelope ts": "`ts` may be missing, and is RFC 3339 when present",
    "mcpx envelope to": "`to` is a list of at most 256 participant ids",
    "mcpx envelope correlation_id": "`correlation_id` is a string of printable ASCII when present",
    "mcpx envelope wrong types": "A wrong type, `null` included, is `invalid_envelope`",
    "mcpx envelope unknown fields": "Unknown top-level fields are kept",
    "mcpx envelope auth": "A top-level `auth` is refused",
    "mcpx envelope repeated keys": "A repeated top-level key is refused",
    "mcpx envelope case look-alikes": "A key equal to a header field but for letter case is refused",
    "mcpx envelope payload unread": "The header is read without looking inside `payload`",
    # Names
    "mcpx identity participant ids": "Participant ids are 1-128 of `A-Za-z0-9._@-`",
    "mcpx identity system ids": "No participant id begins with `system`, in any letter case",
    "mcpx identity topics": "Topics are 1-256 of `A-Za-z0-9._:@/-`",
    "mcpx identity topic segments": "No topic has an empty, `.` or `..` segment",
    # Refusals
    "mcpx refusals close code table": "Every close code stands in one table that says whether to reconnect",
    "mcpx refusals sentence": "The `message` of each refusal is one sentence a person can act on",
    # Schemas that are served
    "mcpx admin schemas": "JSON Schemas are listed at `/schemas/index.json` and accept every example",
    "mcpx admin openapi": "`/openapi.json` and `/asyncapi.json` describe what is served",
}

CAPABILITIES: Final = {
    # MCPx 4, Security Model
    "MCPx 4.1 wildcard patterns": "The six wildcard patterns grant what the list says",
    "MCPx 4.1 example sets": "The five example sets allow and deny what the list says",
    "MCPx 4.1 progressive trust": "Each step of the trust example adds what it says",
    "MCPx 4.2 pattern matching examples": "The three lists of matching patterns hold",
    "MCPx 4.2 chat is exact": "Kind `chat` is granted by exactly `chat`",
    # Patterns
    "mcpx patterns part by part": "Family, method and context are compared each with its own part",
    "mcpx patterns final star": "A `*` that ends the pattern matches any remainder, an empty one and further parts included",
    "mcpx patterns inner star": "Another `*` crosses `/`, never `:`",
    "mcpx patterns inner star and context": "`mcp/request:*/list` never grants `mcp/request:tools/call:x/list`",
    "mcpx patterns method grants every context": "A method without context grants every context of that method",
    "mcpx patterns context never grants bare kind": "A pattern with a context never grants the kind without one",
    "mcpx patterns family alone": "A family alone grants that bare kind alone",
    "mcpx patterns nothing grants reserved kinds": "No set of capabilities grants a reserved kind",
    "mcpx patterns refused reserved": "A pattern that could match a reserved kind is refused where it enters",
    "mcpx patterns refused bare star": "The bare `*` is refused where it enters",
    "mcpx patterns refused empty": "An empty pattern is refused where it enters",
    "mcpx patterns refused never matching": "A pattern that can never match is refused where it enters",
    "mcpx patterns refusal reason": "The refusal of a pattern names it and says why",
    "mcpx patterns proposal grants withdraw": "Who is granted `mcp/proposal:X` is granted `mcp/withdraw:X`",
    "mcpx patterns request grants reject": "Who is granted `mcp/request:X` is granted `mcp/reject:X`",
    "mcpx patterns explain": "`explain` names the capability that grants a kind, or the nearest that would",
    "mcpx patterns explain and covers know the implied kinds": "`explain` and `covers` know withdraw and reject",
    "mcpx patterns covers sound": "If `covers(a, b)`, every kind that b grants is granted by a",
    "mcpx patterns set covers": "A set covers a pattern if one member does",
    "mcpx patterns agree with slow matcher": "Random pairs agree with a second, slow matcher",
    "mcpx patterns bounded cache": "Decisions are remembered per kind in a bounded cache",
    # Profiles
    "mcpx proposals profiles": "The five example sets are `full`, `proposal-only`, `response-only`, `read-only`, `tool-only`",
    "mcpx proposals server profile": "`server` is `mcp/response:*`, `mcp/request:notifications/*`, `chat`",
    "mcpx proposals profiles by settings": "Settings add profiles",
    # Tokens
    "mcpx identity participant typ": "A participant's token has `typ` `mcpx+jwt`",
    "mcpx identity admin typ": "An admin's token has `typ` `mcpx-admin+jwt`; neither passes for the other",
    "mcpx identity foreign typ": "The `typ` of a foreign issuer can be configured",
    "mcpx identity required claims": "`iss`, `sub`, `aud`, `iat`, `exp`, `jti`, `topics` and a grant are required",
    "mcpx identity audience exact": "`aud` is, or holds, the gateway's name exactly",
    "mcpx identity sub is a participant id": "`sub` keeps the rule of participant ids",
    "mcpx identity token topics": "`topics` are names, or prefixes that end in `*`",
    "mcpx identity capabilities and profile": "`capabilities` and `profile` add up; an unknown profile is refused",
    "mcpx identity bad pattern in token": "A token with a refused pattern is refused, with the reason",
    "mcpx identity cnf": "A token with `cnf` is refused",
    "mcpx identity algorithm pinned": "The algorithm is the configured key's, never the token's choice",
    "mcpx identity alg none": "`none` is never an algorithm",
    "mcpx identity lifetime": "A lifetime over the setting (24 h) is refused",
    "mcpx identity kid": "Without `kid` the single key is tried; an unknown `kid` is refused",
    "mcpx identity leeway": "30 s of leeway for `iat` and `nbf`, none for `exp`",
    "mcpx identity key kinds": "HS256, RS256, ES256 and EdDSA keys, by secret, PEM or JWKS",
    "mcpx identity key strength": "An HS256 secret has at least 32 bytes",
    "mcpx identity token never in messages": "No error text holds a token",
    "mcpx identity revoked by jti": "A revocation by `jti` refuses that token alone",
    "mcpx identity revoked by participant": "A revocation by participant refuses tokens up to its second; a later one works",
    "mcpx admin hands out its own": "An admin hands out nothing that its own capabilities do not cover",
    # Promotion rules
    "mcpx delivery promotion effective set": "Effective = (token's and added) minus removed, patterns as text",
    "mcpx delivery promotion expires": "An added or removed pattern lapses at its time",
    "mcpx admin still granted": "Removing what another held pattern still grants, wholly or partly, names that one",
}

GATEWAY_CORE: Final = {
    # MCPx
    "MCPx 4.1 reserved namespace": "A participant's `system/…` is rejected; only the gateway sends it",
    "MCPx 4.2 lazy enforcement": "Only `kind` is checked against capabilities; a payload that disagrees is relayed",
    "MCPx 3.5.1 welcome": "Who connects is sent a welcome, addressed to it",
    "MCPx 3.5.1 welcome content": "The welcome has the own id, the authoritative capabilities and the others present",
    "MCPx 3.5.2 capability violation": "A violation is answered with what was tried and what is held",
    "MCPx 3 error references trigger": "A `system/error` references the envelope that caused it",
    "MCPx 3.4 presence": "Joins and leaves are told to all, the newcomer included",
    "MCPx 6.2 capabilities enforced": "Capability rules are enforced on every envelope after the welcome",
    "MCPx 6.2 authoritative list": "What the welcome lists is exactly what the gateway grants",
    "MCPx 6.3 mode all": "All, the default, receives every envelope of the topic",
    "MCPx 6.3 mode directed": "Directed receives broadcasts and what names it",
    "MCPx 6.4 filtering": "A violating envelope reaches nobody but its sender, as an error",
    "MCPx 8.1 structure preserved": "Envelopes are relayed without modification",
    # Kinds
    "mcpx kinds other families relayed": "`x-acme/…` is relayed when a capability grants it",
    "mcpx kinds exact protocol": "Another `protocol` is refused with `unsupported_protocol`, naming both",
    # Envelope
    "mcpx envelope bytes relayed": "Receivers get the bytes that were received",
    "mcpx envelope nothing added": "The gateway adds nothing to an envelope without `ts`",
    "mcpx envelope gateway carries ts": "The gateway's own envelopes carry `ts`",
    "mcpx envelope from": "`from` is the connection's participant, else `from_mismatch`; the forgery reaches nobody",
    "mcpx envelope no ids kept": "The gateway relays a repeated id",
    "mcpx envelope correlation left to receivers": "A proposal with, a response without correlation are relayed",
    # Refusals
    "mcpx refusals to sender alone": "Every refusal is a `system/error` to the sender alone",
    "mcpx refusals correlation": "A refusal names the envelope's id when it could be read",
    "mcpx refusals order": "The first broken rule, in the order of the list, decides",
    "mcpx refusals invalid_json": "What is no JSON object in UTF-8 is `invalid_json`",
    "mcpx refusals capability facts": "A violation names `attempted_kind`, `your_capabilities` and `nearest`",
    "mcpx refusals rate_limited": "Over the rate is `rate_limited` with `retry_after_ms`",
    "mcpx refusals count against the rate": "Refused envelopes count against the rate",
    "mcpx refusals connection stays open": "A refusal, but for `too_large`, leaves the connection open",
    "mcpx refusals nothing dropped in silence": "Each envelope is delivered, or refused by name",
    # Delivery
    "mcpx delivery own envelope back": "The sender gets its own envelope back, in the order",
    "mcpx delivery directed own and system": "Directed receives its own envelopes and its system messages too",
    "mcpx delivery nobody present": "A `to` that names nobody present is no error",
    "mcpx delivery roster is the union": "The roster shows the union of a participant's live connections",
    "mcpx delivery first joins last leaves": "A participant joins with its first connection and leaves with its last",
    "mcpx delivery changed union announced": "A changed union is announced as `join` of one already present",
    "mcpx delivery leaving keyed by connection": "An old socket's end does not evict a newer one",
    "mcpx delivery rate per connection": "`MCPX_RATE_LIMIT` holds for each connection",
    "mcpx delivery rate per participant": "It holds for a participant's connections together, too",
}

GATEWAY_DOORS: Final = {
    "MCPx 6.2 connect": "`GET /ws?topic=NAME` with a bearer token connects",
    "MCPx 8.1 token to participant": "The token decides the participant id",
    "mcpx identity bearer header": "The token comes in `Authorization: Bearer`",
    "mcpx identity browser subprotocol": "A browser offers the token as a subprotocol; the answer names `mcpx.v0.1` alone",
    "mcpx identity never in a URL": "A token in the query is not accepted",
    "mcpx identity never in a log": "No log line, metric or error body holds a token",
    "mcpx identity origins": "Another origin than the own or the listed is 403 before the upgrade",
    "mcpx identity hosts": "`Host` is checked against `MCPX_ALLOWED_HOSTS`",
    "mcpx identity handshake 401": "No or bad token: 401",
    "mcpx identity handshake 403": "Topic not named by the token: 403, the same for known and unknown topics",
    "mcpx identity handshake 400": "Missing or bad `topic` or `mode`: 400",
    "mcpx identity handshake 503": "Broker away: 503 with `Retry-After`",
    "mcpx identity plain GET": "A plain `GET /ws` gets the same as problem+json",
    "mcpx identity topic segment": "In a path a topic is one percent-encoded segment",
    "mcpx identity expiry closes": "At `exp` the connection closes with 4401, nothing of it after",
    "mcpx identity no key no start": "Without a key nothing starts; the development start makes one, mode 0600",
    "mcpx identity revocation closes": "A revocation closes open connections with 4403, on every node",
    "mcpx envelope text frames": "A binary frame closes with 1003",
    "mcpx envelope UTF-8": "A text frame that is no UTF-8 closes with 1007",
    "mcpx envelope size": "A frame over `MCPX_MAX_ENVELOPE_BYTES` gets `too_large`, then 1009",
    "mcpx refusals close 1012": "A node that goes away closes with 1012",
    "mcpx refusals close 4408": "No pong closes with 4408",
    "mcpx refusals close 4410": "An admin's disconnect closes with 4410; a reconnect works",
    "mcpx refusals close 4413": "A consumer 8 MiB or 10 s behind closes with 4413 and delays nobody",
    "mcpx refusals close 4429": "Refused without pause for 10 s closes with 4429",
    "mcpx refusals handshake timeout": "A handshake unfinished after 10 s is a closed TCP connection",
    # Delivery
    "mcpx delivery one order": "One order per topic, the same for everyone on every node",
    "mcpx delivery from the welcome on": "A connection receives all that it should, in order, once, from its welcome on",
    "mcpx delivery join is an entry": "The welcome comes first, then everything from the own join on",
    "mcpx delivery roster and presence add up": "Welcome and later presence make the true roster, on every node",
    "mcpx delivery mode": "`mode=all|directed`, default `all`",
    "mcpx delivery node dies": "A dead node's participants leave everywhere within 15 s, once",
    "mcpx delivery broker dies": "While the broker is away senders get `topic_unavailable`",
    "mcpx delivery broker back": "After the broker is back nothing accepted is missed, or 1012 says so",
    "mcpx delivery promotion in force": "After the admin's answer nothing judged by the old set is appended, on any node",
    "mcpx delivery promotion welcome": "A promotion sends a fresh welcome, and the others a `join` with the new set",
    "mcpx delivery promotion for later tokens": "A promotion holds for later tokens, until reverted or expired",
}

GATEWAY_ADMIN: Final = {
    "MCPx 11.3 promotion": "`POST /admin/participants/{id}/capabilities` answers as in the example",
    "mcpx admin response adds topic": "The answer adds `topic`; `?topic=` narrows the change to it",
    "mcpx admin idempotent": "The same call again changes nothing",
    "mcpx admin never seen": "A participant never seen in this store: 404",
    "mcpx admin not an admin": "A participant's token, or beyond the admin's own rights: 403",
    "mcpx admin no token": "No token: 401",
    "mcpx admin invalid pattern": "An invalid pattern: 422 naming it",
    "mcpx admin conflict changes nothing": "A removal that another pattern undoes: 409, and nothing changes",
    "mcpx admin durable": "Promotions, revocations and audit outlive a restart",
    "mcpx admin ttl": "`ttl_s` makes a promotion lapse",
    "mcpx admin listed and reverted": "Promotions are listed, and can be reverted",
    "mcpx admin audited": "Each act is one audit line: who, what, when, why",
    "mcpx admin audit chain": "The audit is append-only and hash-chained",
    "mcpx admin topics of the token": "An admin acts in its token's topics; without `?topic=` it needs `*`",
    "mcpx admin revocations": "`POST /admin/revocations` by `jti` or participant answers with what was closed",
    "mcpx admin lists": "Revocations, participants and topics are listed",
    "mcpx admin explain": "`GET /admin/explain` says why a participant may or may not",
    "mcpx admin disconnect": "`POST …/disconnect` closes with 4410",
    "mcpx admin audit read": "`GET /admin/audit` returns the lines",
    "mcpx admin unknown profile": "A token with an unknown `profile` is refused with 401",
}

PARTICIPANTS: Final = {
    # MCPx
    "MCPx 3.1.2 responses carry correlation_id": "A response references the request's id",
    "MCPx 3.1.2 responses carry the context": "A response's kind repeats METHOD and CONTEXT",
    "MCPx 3.2 restricted participants propose": "Who may not request proposes instead",
    "MCPx 3.2.1 proposals carry no correlation_id": "A proposal has no `correlation_id`",
    "MCPx 3.2.1 fulfillments carry correlation_id": "A fulfillment references the proposal's id",
    "MCPx 3.2.1 response to both": "The response goes to fulfiller and proposer, and references the fulfillment",
    "MCPx 3.3 chat": "`text` is required; `format` is `plain`, the default, or `markdown`",
    "MCPx 4.3 structure": "An envelope that is not well-formed is dropped and reported",
    "MCPx 4.3 method matches": "METHOD of the kind must equal `payload.method`",
    "MCPx 4.3 context matches": "CONTEXT of the kind must equal the payload's name or uri",
    "MCPx 4.3 misbehaviour counted": "Malformed envelopes are counted against their sender",
    "MCPx 6.2 welcome respected": "The welcome's capabilities decide what is tried",
    "MCPx 8.2 presence tracked": "Presence keeps the roster",
    "MCPx 8.2 MCP server": "A participant serves a standard MCP server",
    "MCPx 9.4 delegated fulfillment": "Propose, approve, execute, and the result reaches everyone named",
    # Kinds
    "mcpx kinds context of a method": "`params.name` for tools/call and prompts/get, `params.uri` for resources; else none",
    "mcpx kinds unexpected context": "A context on another method is refused by receivers",
    "mcpx kinds name that cannot be a context": "A name that cannot be a context travels without one",
    "mcpx kinds notifications": "Notifications are requests whose `correlation_id` is the request they belong to",
    "mcpx kinds cancelled from requester": "`cancelled` counts only from the requester",
    "mcpx kinds progress from addressee": "`progress` and log messages count only from the addressee",
    "mcpx kinds reject and withdraw": "Reject and withdraw repeat METHOD[:CONTEXT], reference the proposal, give a reason code",
    "mcpx kinds unknown ignored": "A kind that is not known is ignored",
    # Envelope
    "mcpx envelope library carries ts": "The library's own envelopes always carry `ts`",
    "mcpx envelope doubles": "The first envelope of an id counts, later ones are dropped, in a bounded window",
    "mcpx envelope refused by receivers": "Receivers refuse a proposal with, and a response without, `correlation_id`",
    "mcpx proposals duplicate keys": "A payload with duplicate keys at any depth is refused",
    "mcpx proposals parsed not copied": "What is passed on is what was parsed, never the original bytes",
    # Requests and proposals
    "mcpx proposals one target": "`request()` names one target",
    "mcpx proposals only if named": "A server acts only on a request whose `to` names it, but for lists and discovery",
    "mcpx proposals broadcast": "A proposal may be broadcast; the fulfiller chooses the target",
    "mcpx proposals any trust level": "`request()` returns the same result with and without the capability",
    "mcpx proposals refused once": "Refused with `capability_violation`, `request()` proposes, once",
    "mcpx proposals rejected": "A rejection raises `ProposalRejected` with its reason",
    "mcpx proposals expired": "An expiry raises `ProposalExpired`",
    "mcpx proposals withdrawn": "A withdrawal raises `ProposalWithdrawn`",
    "mcpx proposals withdraws on cancel": "Cancellation and timeout withdraw the proposal",
    "mcpx proposals expiresAt": "`expiresAt` is five minutes ahead unless set; null is never",
    "mcpx proposals sent again": "A newcomer who could fulfill makes the proposer send it again, at most once a second",
    "mcpx proposals resend is a double": "The proposal sent again has the same id; others drop it",
    "mcpx proposals directed refused": "The library refuses proposing, approving and serving fulfillments in Directed",
    # What counts
    "mcpx proposals response from addressee": "A response counts only from one whom the request named",
    "mcpx proposals response matches": "... whose METHOD[:CONTEXT] and JSON-RPC id equal the request's",
    "mcpx proposals response to requester": "... and whose `to` names the requester",
    "mcpx proposals fulfillment of a pending one": "A fulfillment counts only for a pending proposal",
    "mcpx proposals fulfillment matches": "... whose METHOD[:CONTEXT] it repeats",
    "mcpx proposals fulfillment target": "... at one of the proposal's targets where it named any",
    "mcpx proposals fulfillment not by proposer": "... and never from the proposer",
    "mcpx proposals withdraw by proposer": "A withdraw counts only from the proposer",
    "mcpx proposals reject by one who could": "A reject counts only from one whose roster entry grants the request",
    "mcpx proposals system from gateway": "`system/*` counts only from `system:gateway`",
    "mcpx proposals else counted": "All else is reported and counted, never acted on",
    "mcpx proposals bystander response": "A bystander with `mcp/response:*` cannot answer another's request",
    # Once
    "mcpx proposals once": "After the first valid fulfillment, reject or withdraw, later ones have no effect",
    "mcpx proposals late fulfillment": "The target answers a later one with -32001, naming who was first",
    "mcpx proposals expired fulfillment": "A fulfillment after `expiresAt` is answered with -32001",
    "mcpx proposals edited": "Edited `params` run edited, and the caller gets both, marked `edited`",
    "mcpx proposals edit not method": "An edit of METHOD or CONTEXT does not count",
    "mcpx proposals bounded memory": "The target remembers proposals and proposers in a bounded table, until expiry",
}

MAIN_JOB: Final = {
    "mcpx main job approved": "Propose, see within 300 ms, approve in the browser, a real server does it, all see it",
    "mcpx main job rejected": "A rejection by click reaches the agent as `ProposalRejected` with the reason",
    "mcpx main job latecomer": "A browser that opens later, or reloads, can still approve",
    "mcpx main job edited": "An edit by click runs edited",
    "mcpx main job two clicks": "Two people who click at once run it once",
    "mcpx main job promoted": "After promotion the same agent passes without proposal or reconnect; after removal it proposes",
    "mcpx main job revoked": "After revocation the agent is closed with 4403 and refused with 401",
    "mcpx main job gateway restart": "The page reconnects after a restart and says what it may have missed",
    "mcpx main job two nodes": "The same with the participants on two nodes and Redis between them",
    "mcpx main job ends clean": "After Ctrl-C no child process is left",
    "mcpx main job page is inert": "Nothing that a participant says is run or loaded by the page",
    "mcpx main job invite fragment": "An invite link carries the token in its fragment, which is removed at once",
}

REQUIREMENTS: Final = MappingProxyType(
    SCHEMAS | CAPABILITIES | GATEWAY_CORE | GATEWAY_DOORS | GATEWAY_ADMIN | PARTICIPANTS | MAIN_JOB
)
"""Every id with its sentence."""


def spec(*ids: str) -> pytest.MarkDecorator:
    """
    Tie a test to the sentences that it proves.

    Raises:
        ValueError: an id is not listed here.
    """
    for id in ids:
        if id not in REQUIREMENTS:
            raise ValueError(f"{id!r} is no requirement; tests/requirements.py lists them")
    return pytest.mark.spec(*ids)

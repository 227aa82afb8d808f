"""The schemas that are served say what the code says."""

from __future__ import annotations

import re
from typing import Any, Final

import jsonschema_rs
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capabilities import Pattern, PatternError
from schemas import (
    CLOSE_REASONS,
    Envelope,
    EnvelopeError,
    Kind,
    KindError,
    is_participant_id,
    is_topic,
    payload_record,
)
from schemas.documents import KIND_PATTERNS, asyncapi, json_schemas, schema_index
from schemas.payloads import PAYLOADS
from tests.requirements import spec
from tests.spec_examples import ENVELOPES

BASE: Final = "http://gateway.test"
SCHEMAS: Final = json_schemas({"not_found": (404, "Nothing is here")})
REGISTRY: Final = jsonschema_rs.Registry([(BASE + schema["$id"], schema) for schema in SCHEMAS.values()])


def fits(name: str, value: Any) -> bool:
    schema = {"$ref": f"{BASE}/schemas/{name}.json"}
    return jsonschema_rs.Draft202012Validator(schema, registry=REGISTRY).is_valid(value)


@spec("mcpx admin schemas")
@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one_names_itself_and_is_listed(name: str) -> None:
    schema = SCHEMAS[name]

    jsonschema_rs.meta.validate(schema)
    assert schema["$id"] == f"/schemas/{name}.json"
    assert schema["title"]
    listed = {one["name"]: one["href"] for one in schema_index(SCHEMAS)["schemas"]}
    assert listed[name] == schema["$id"]


def test_every_payload_record_has_its_schema() -> None:
    assert set(PAYLOADS) <= set(SCHEMAS)
    assert set(PAYLOADS) == set(KIND_PATTERNS)


@spec("mcpx admin schemas", "MCPx 3 example envelopes")
@pytest.mark.parametrize("name", ENVELOPES)
def test_every_example_of_the_specification_fits(name: str) -> None:
    envelope = ENVELOPES[name]

    assert fits("envelope", envelope)
    # Section 3 shows the fields, with a comment where the payload would be.
    assert fits("message", envelope) == (name != "3 message envelope")


def test_a_payload_that_disagrees_with_its_kind_is_an_envelope_and_no_message() -> None:
    envelope = {**ENVELOPES["3.3 chat"], "payload": {"test": "hello"}}

    assert fits("envelope", envelope)
    assert not fits("message", envelope)


@given(
    st.one_of(
        st.text(max_size=12),
        st.text(alphabet="aZ:*/ ~!\n.", max_size=12),
        st.from_regex(SCHEMAS["kind"]["pattern"], fullmatch=True),
    )
)
@example("a" * 2049)
def test_a_kind_fits_its_schema_exactly_if_it_can_be_parsed(text: str) -> None:
    try:
        Kind.parse(text)
        is_kind = True
    except KindError:
        is_kind = False

    assert fits("kind", text) == is_kind


@given(st.one_of(st.text(max_size=8), st.text(alphabet="sSyYsStTeEmM-a/", max_size=9)))
@example("a" * 129)
@example("system")
@example("a\n")
def test_a_participant_id_fits_its_schema_exactly_if_it_is_one(text: str) -> None:
    assert fits("participant-id", text) == is_participant_id(text)


@given(st.one_of(st.text(max_size=8), st.text(alphabet="a./:@-", max_size=8)))
@example("a" * 257)
@example("a\n")
def test_a_topic_fits_its_schema_exactly_if_it_is_one(text: str) -> None:
    assert fits("topic", text) == is_topic(text)


@given(st.one_of(st.text(max_size=8), st.text(alphabet="mcp/:*s", max_size=8)))
def test_every_capability_fits_its_schema(text: str) -> None:
    try:
        Pattern.parse(text)
    except PatternError:
        return

    assert fits("capability", text)


def variations() -> st.SearchStrategy[dict[str, Any]]:
    """Return envelopes with one or two members changed, put in or left out."""
    header = ("protocol", "id", "ts", "from", "to", "kind", "correlation_id", "payload")
    look_alikes = ("auth", "AUTH", "Kind", "KIND", "\u212aind", "t\u017f", "Ts", "Payload")
    texts = ("", "a", "a\n", "é", "x" * 129, "mcpx/v0.1", "mcpx/v1", "chat", "a:")
    times = ("2025-08-26T14:00:00Z", "2025-08-26T14:00:00.123+02:00")
    others: tuple[Any, ...] = (None, 1, True, [], ["bob"], ["system"], ["b"] * 257, [1], {}, {"text": "hi"})
    names, values = (
        st.sampled_from((*header, *look_alikes, "x-a")),
        st.sampled_from((*texts, *times, *others)),
    )
    changes = st.dictionaries(names, values, min_size=1, max_size=2)
    left_out = st.sets(names, max_size=1)
    base = {**ENVELOPES["3.3 chat"], "ts": "2025-08-26T14:00:00Z", "to": ["bob"], "correlation_id": "e1"}
    return st.builds(
        lambda changed, gone: {name: value for name, value in (base | changed).items() if name not in gone},
        changes,
        left_out,
    )


@given(variations())
def test_an_envelope_fits_its_schema_exactly_if_the_gateway_reads_it(value: dict[str, Any]) -> None:
    try:
        Envelope.parse(orjson.dumps(value))
        is_envelope = True
    except EnvelopeError:
        is_envelope = False

    assert fits("envelope", value) == is_envelope


@pytest.mark.parametrize("name", KIND_PATTERNS)
def test_the_schema_of_a_payload_is_used_for_the_kinds_of_its_record(name: str) -> None:
    method = "notifications/progress" if name == "notification" else "tools/call"
    family = KIND_PATTERNS[name].removeprefix("^").removesuffix("$").split(":")[0]
    kind = Kind.parse(family if KIND_PATTERNS[name].endswith("$") else f"{family}:{method}")

    assert re.search(KIND_PATTERNS[name], str(kind))
    assert payload_record(kind, {"error": {}} if name == "error-response" else {}) is PAYLOADS[name]


def references(value: Any) -> list[str]:
    match value:
        case dict():
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for member in value.values() for found in references(member)]
        case list():
            return [found for item in value for found in references(item)]
        case _:
            return []


def resolve(document: Any, reference: str) -> Any:
    assert reference.startswith("#/"), f"{reference} points outside"
    for part in reference[2:].split("/"):
        document = document[part]
    return document


@spec("mcpx admin openapi")
def test_asyncapi_has_a_message_for_every_payload_and_points_nowhere_else() -> None:
    document = asyncapi(SCHEMAS, "1.0.0")

    assert document["asyncapi"] == "3.0.0"
    assert len(document["components"]["messages"]) == len(PAYLOADS)
    for reference in references(document):
        assert resolve(document, reference) is not None
    sent = {one["$ref"].rsplit("/", 1)[1] for one in document["operations"]["take"]["messages"]}
    assert sent.isdisjoint({"Welcome", "Presence", "Error"})


@spec("mcpx admin openapi")
@pytest.mark.parametrize("name", [name for name in ENVELOPES if name != "3 message envelope"])
def test_each_example_of_the_specification_fits_one_message_of_asyncapi(name: str) -> None:
    document = asyncapi(SCHEMAS, "1.0.0")
    payloads = [message["payload"] for message in document["components"]["messages"].values()]
    with_components = [{**payload, "components": document["components"]} for payload in payloads]

    fitting = [
        schema
        for schema in with_components
        if jsonschema_rs.Draft202012Validator(schema).is_valid(ENVELOPES[name])
    ]

    assert len(fitting) == 1


def test_asyncapi_lists_every_close_code_with_what_to_do() -> None:
    rows = asyncapi(SCHEMAS, "1.0.0")["x-close-codes"]

    assert {row["code"] for row in rows} == {int(code) for code in CLOSE_REASONS}
    assert {row["code"]: row["reconnect"] for row in rows}[4403] is False

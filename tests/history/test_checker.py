"""The checker passes a history in which all is well, and each rule finds the one thing that breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.history import Acted, Answered, Appended, Asked, Closed, Forgotten, Left, judge
from tests.history.story import ALL, Story, two


def test_a_history_in_which_all_is_well_passes() -> None:
    story = two()
    story.says("a1", "m1")
    story.sends("a1", "m2")
    story.sends("b1", "m3")
    story.all_hear("m3", "m2")
    story.says("a1", "q1", "mcp/request:ping", to=["bob"])
    story.says("b1", "r1", "mcp/response:ping", to=["ann"], correlation_id="q1")
    story.sends("b1", "x1", "x-acme/none")
    story.refused("b1", "x1", "capability_violation")
    story.amends("c1", "add", "bob", "x-acme/*")
    story.says("b1", "x2", "x-acme/some")
    story.amends("c2", "remove", "bob", "x-acme/*")
    story.tell(Acted, participant="bob", proposal="p1", request="q1")
    story.tell(Acted, participant="bob", proposal="p2", request="q2")
    story.comes("c1", "carol", jti="j1")
    story.sends("c1", "m4")  # cut off before its answer: it may have been taken or not
    story.tell(Asked, call="c3", act="revoke", jti="j1")
    story.goes("c1", code=4403)
    story.tell(Answered, call="c3")
    story.goes("b1", code=1012)
    story.comes("b2", "bob")
    story.says("b2", "m5")
    story.comes("d1", "dee", mode="directed", expires=900.0)
    story.sends("a1", "m6", to=["bob"])
    story.all_hear("m6", but="d1")
    story.sends("d1", "m7", is_too_large=True)
    story.refused("d1", None, "too_large")
    story.goes("d1", code=1009)
    story.held = {"a1": ALL, "b2": ALL}

    assert story.settles() == []


def two_lives() -> Story:
    """A story in which `m1` was taken, forgotten and taken again, behind `m2`; who had heard it was told."""
    story = two()
    story.comes("c1", "carol")
    story.sends("a1", "m1")
    story.tell(Appended, topic="ops", ids=("m1",))
    story.hears("c1", story.texts["m1"])
    story.tell(Forgotten, ids=("m1",), places=(("gw-e", 99, 99),))
    story.goes("c1", code=1012)
    story.sends("b1", "m2")
    story.tell(Appended, topic="ops", ids=("m2", "m1"))
    story.all_hear("m2", "m1")
    return story


def test_an_envelope_that_two_lives_of_a_topic_took_has_its_place_in_each() -> None:
    story = two_lives()

    assert story.settles() == []
    assert judge(story.events).unplaced == 0


def test_who_heard_one_of_two_lives_and_ended_at_once_may_have_heard_either() -> None:
    story = two()
    story.comes("c1", "carol")
    story.sends("a1", "m1")
    for _ in range(2):
        story.tell(Appended, topic="ops", ids=("m1",))
        story.tell(Forgotten, ids=("m1",))
    story.tell(Appended, topic="ops", ids=("m1",))
    story.all_hear("m1")
    story.goes("c1", code=1012)

    assert story.settles() == []
    assert judge(story.events).unplaced == 1


def _another_order(story: Story) -> None:
    story.sends("a1", "m1")
    story.sends("b1", "m2")
    for connection, ids in (("a1", ("m1", "m2")), ("b1", ("m2", "m1"))):
        for id in ids:
            story.hears(connection, story.texts[id])


def _an_order_that_only_three_contradict(story: Story) -> None:
    story.comes("c1", "carol")
    ids = ("m1", "m2", "m3")
    for connection, id in zip(("a1", "b1", "c1"), ids, strict=True):
        story.sends(connection, id)
    for connection, heard in (
        ("a1", ("m1", "m2")),
        ("b1", ("m2", "m3")),
        ("c1", ("m3", "m1")),
    ):
        for id in heard:
            story.hears(connection, story.texts[id])
        story.goes(connection, code=1012, in_silence=True)


def _a_gap(story: Story) -> None:
    story.sends("a1", "m1")
    story.all_hear("m1", but="b1")
    story.says("a1", "m2")


def _a_missing_end(story: Story) -> None:
    story.sends("a1", "m1")
    story.all_hear("m1", but="b1")


def _a_missed_leave(story: Story) -> None:
    story.comes("c1", "carol")
    story.goes("c1", in_silence=True)
    story.hears("a1", story.presence("leave", "carol"))
    story.says("a1", "m1")


def _a_double(story: Story) -> None:
    story.says("a1", "d1")
    story.hears("b1", story.texts["d1"])


def _an_invention(story: Story) -> None:
    story.hears("b1", '{"id":"m9","from":"ann","kind":"chat","payload":{}}')


def _changed_bytes(story: Story) -> None:
    story.sends("a1", "m1")
    story.hears("a1", story.texts["m1"])
    story.hears("b1", story.texts["m1"].replace('"payload":{}', '"payload": {}'))


def _not_for_it(story: Story) -> None:
    story.comes("d1", "dee", mode="directed")
    story.says("a1", "m1", to=["bob"])


def _never_answered(story: Story) -> None:
    story.opens("c1", "carol")


def _welcomed_as_another(story: Story) -> None:
    story.opens("c1", "carol")
    story.present["c1"] = ("dan", ALL)
    story.welcome("c1", [])
    story.hears("c1", story.presence("join", "dan", ALL))


def _no_join_of_its_own(story: Story) -> None:
    story.opens("c1", "carol")
    story.present["c1"] = ("carol", ALL)
    story.welcome("c1", [("ann", ALL), ("bob", ALL)])
    story.says("a1", "m1")


def _welcomed_twice(story: Story) -> None:
    for _ in range(2):
        story.welcome("a1", [("bob", ALL)])


def _before_its_welcome(story: Story) -> None:
    story.opens("c1", "carol")
    story.sends("a1", "m1")
    story.all_hear("m1")
    story.hears("c1", story.texts["m1"])
    story.tell(Closed, connection="c1", code=1012)


def _after_its_end(story: Story) -> None:
    story.sends("a1", "m1")
    story.tell(Closed, connection="b1", code=1012)
    story.all_hear("m1")
    story.present.pop("b1")
    story._position += 1
    story.hears("a1", story.presence("leave", "bob"))


def _of_another_topic(story: Story) -> None:
    story.opens("z1", "zoe", topic="dev")
    story.present["z1"] = ("zoe", ALL)
    story.sends("z1", "m1")
    story.present.pop("z1")
    story.tell(Left, connection="z1")
    story.all_hear("m1")


def _sent_into_nothing(story: Story) -> None:
    story.sends("a1", "m1")
    story.says("b1", "m2")


def _refused_and_taken(story: Story) -> None:
    story.says("a1", "m1")
    story.refused("a1", "m1", "topic_unavailable")


def _refused_without_a_name(story: Story) -> None:
    story.sends("a1", "m1")
    story.refused("a1", "m1", "because")


def _refused_twice(story: Story) -> None:
    story.sends("a1", "m1")
    for _ in range(2):
        story.refused("a1", "m1", "topic_unavailable")


def _told_of_anothers_refusal(story: Story) -> None:
    story.sends("a1", "m1")
    for connection in ("a1", "b1"):
        story.refused(connection, "m1", "topic_unavailable")


def _refused_and_in_the_order(story: Story) -> None:
    story.sends("a1", "m1")
    story.refused("a1", "m1", "topic_unavailable")
    story.tell(Appended, topic="ops", ids=("m1",))


def _refused_for_nothing(story: Story) -> None:
    story.sends("a1", "m1")
    story.refused("a1", "m1", "from_mismatch")


def _refused_for_something_else(story: Story) -> None:
    story.sends("a1", "m1", **{"from": "bob"})
    story.refused("a1", "m1", "reserved_kind")


def _in_anothers_name(story: Story) -> None:
    story.says("a1", "m1", **{"from": "bob"})


def _too_large_and_heard(story: Story) -> None:
    story.sends("a1", "m1", is_too_large=True)
    story.hears("b1", story.texts["m1"])


def _too_large_and_not_told(story: Story) -> None:
    story.sends("a1", "m1", is_too_large=True)
    story.goes("a1", code=1009)


def _taken_twice(story: Story) -> None:
    for _ in range(2):
        story.tell(Appended, topic="ops", ids=("m1",))
    story.says("a1", "m1")


def _closed_without_a_reason(story: Story) -> None:
    story.goes("b1", code=4403)


def _in_with_a_token_that_had_ended(story: Story) -> None:
    story.comes("c1", "carol", expires=0.5)
    story.goes("c1", code=4401)


def _open_after_its_tokens_end(story: Story) -> None:
    at = len(story.events)
    story.comes("c1", "carol", expires=at + 0.5)


def _taken_after_a_revocation(story: Story) -> None:
    story.comes("c1", "carol", jti="j1")
    story.tell(Asked, call="c1", act="revoke", jti="j1")
    story.tell(Answered, call="c1")
    story.says("c1", "m1")
    story.goes("c1", code=4403)


def _in_after_a_revocation(story: Story) -> None:
    story.tell(Asked, call="c1", act="revoke", jti="j1")
    story.tell(Answered, call="c1")
    story.comes("c1", "carol", jti="j1")
    story.goes("c1", code=4403)


def _open_after_a_revocation(story: Story) -> None:
    story.comes("c1", "carol", jti="j1")
    story.tell(Asked, call="c1", act="revoke", jti="j1")
    story.tell(Answered, call="c1")


def _taken_after_a_demotion(story: Story) -> None:
    story.amends("c1", "remove", "bob", "chat")
    story.says("b1", "m1")


def _refused_though_promoted(story: Story) -> None:
    story.amends("c1", "add", "bob", "x-acme/*")
    story.sends("b1", "m1", "x-acme/some")
    story.refused("b1", "m1", "capability_violation")


def _a_welcome_that_forgets_somebody(story: Story) -> None:
    bob = story.present.pop("b1")
    story.comes("c1", "carol")
    story.present["b1"] = bob
    story.hears("b1", story.presence("join", "carol", ALL))
    story.says("a1", "m1")


def _somebody_who_is_gone_and_still_there(story: Story) -> None:
    story.comes("c1", "carol")
    story.goes("c1", in_silence=True)


def _somebody_whom_nobody_was_told_of(story: Story) -> None:
    story.opens("c1", "carol")
    story.present["c1"] = ("carol", ALL)
    story._position += 1
    story.welcome("c1", [("ann", ALL), ("bob", ALL)])
    story.hears("c1", story.presence("join", "carol", ALL))


def _a_leave_of_nobody(story: Story) -> None:
    story._position += 1
    for connection in story.present:
        story.hears(connection, story.presence("leave", "zoe"))


def _its_own_leave(story: Story) -> None:
    story._position += 1
    for connection in story.present:
        story.hears(connection, story.presence("leave", "bob"))


def _rights_that_the_store_does_not_know(story: Story) -> None:
    story.held = {"a1": ALL, "b1": ("chat",)}


def _fulfilled_twice(story: Story) -> None:
    for request in ("q1", "q2"):
        story.tell(Acted, participant="bob", proposal="p1", request=request)


def _an_answer_to_nothing(story: Story) -> None:
    story.says("b1", "r1", "mcp/response:ping", to=["ann"], correlation_id="q1")


def _an_answer_of_another_method(story: Story) -> None:
    story.says("a1", "q1", "mcp/request:ping", to=["bob"])
    story.says("b1", "r1", "mcp/response:tools/list", to=["ann"], correlation_id="q1")


def _an_answer_by_another(story: Story) -> None:
    story.says("a1", "q1", "mcp/request:ping", to=["bob"])
    story.says("a1", "r1", "mcp/response:ping", to=["ann"], correlation_id="q1")


def _an_answer_to_another(story: Story) -> None:
    story.says("a1", "q1", "mcp/request:ping", to=["bob"])
    story.says("b1", "r1", "mcp/response:ping", to=["bob"], correlation_id="q1")


def _a_double_beside_two_lives(story: Story) -> None:
    story.tell(Appended, topic="ops", ids=("m1",))
    story.tell(Forgotten, ids=("m1",))
    story.tell(Appended, topic="ops", ids=("m1",))
    story.says("a1", "m1")
    _a_double(story)


def _taken_twice_in_its_second_life(story: Story) -> None:
    story.sends("a1", "m1")
    story.tell(Appended, topic="ops", ids=("m1",))
    story.tell(Forgotten, ids=("m1",))
    story.tell(Appended, topic="ops", ids=("m1",))
    story.tell(Appended, topic="ops", ids=("m1",))
    story.all_hear("m1")


def _another_order_in_the_second_life(story: Story) -> None:
    story.sends("a1", "m1")
    story.tell(Appended, topic="ops", ids=("m1",))
    story.tell(Forgotten, ids=("m1",))
    story.tell(Appended, topic="ops", ids=("m1", "m2"))
    story.sends("b1", "m2")
    for connection, ids in (("a1", ("m1", "m2")), ("b1", ("m2", "m1"))):
        for id in ids:
            story.hears(connection, story.texts[id])


def _the_place_of_the_first_life(story: Story) -> None:
    story.sends("a1", "m1")
    story.tell(Appended, topic="ops", ids=("m1",))
    story.hears("a1", story.texts["m1"])
    story.tell(Forgotten, ids=("m1",))
    story.sends("b1", "m2")
    story.tell(Appended, topic="ops", ids=("m2", "m1"))
    story.hears("b1", story.texts["m2"])
    story.hears("b1", story.texts["m1"])
    story.hears("a1", story.texts["m2"])


def _missed_in_the_second_life(story: Story) -> None:
    story.sends("a1", "m1")
    story.tell(Appended, topic="ops", ids=("m1",))
    story.tell(Forgotten, ids=("m1",))
    story.sends("a1", "m2")
    story.tell(Appended, topic="ops", ids=("m1", "m2"))
    story.all_hear("m1", but="b1")
    story.all_hear("m2")


def _lost_in_silence_beside_two_lives(story: Story) -> None:
    for id in ("m1", "m2"):
        story.sends("a1", id)
    story.tell(Appended, topic="ops", ids=("m1", "m2"))
    story.all_hear("m1", "m2")
    story.tell(Forgotten, ids=("m1", "m2"))
    story.tell(Appended, topic="ops", ids=("m1",))


def _a_missed_leave_before_what_was_forgotten(story: Story) -> None:
    _a_missed_leave(story)
    story.tell(Forgotten, ids=(), places=(("gw-e", 99, 99),))


def _taken_and_lost_in_silence(story: Story) -> None:
    story.tell(Appended, topic="ops", ids=("m1",))
    story.says("a1", "m1")
    story.tell(Forgotten, ids=("m1",))
    story.tell(Appended, topic="ops", ids=("m2",))
    story.says("a1", "m2")


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (_another_order, "no order agrees"),
        (_an_order_that_only_three_contradict, "no order agrees"),
        (_a_gap, "b1 missed m1"),
        (_a_missing_end, "b1 missed m1"),
        (_a_missed_leave, "b1 missed the presence"),
        (_a_double, "b1 heard d1 twice"),
        (_a_double_beside_two_lives, "b1 heard d1 twice"),
        (_taken_twice_in_its_second_life, "m1 was taken twice"),
        (_another_order_in_the_second_life, "no order agrees"),
        (_the_place_of_the_first_life, "no order agrees"),
        (_missed_in_the_second_life, "b1 missed m1"),
        (_lost_in_silence_beside_two_lives, "heard m2, which the store then lost"),
        (_a_missed_leave_before_what_was_forgotten, "b1 missed the presence"),
        (_an_invention, "what nobody sent"),
        (_changed_bytes, "what nobody sent"),
        (_not_for_it, "d1 heard m1, which is not for it"),
        (_never_answered, "c1 was neither let in nor turned away"),
        (_welcomed_as_another, "c1 was welcomed as dan"),
        (_no_join_of_its_own, "c1 did not hear its own join"),
        (_welcomed_twice, "a1 was welcomed twice"),
        (_before_its_welcome, "before its welcome"),
        (_after_its_end, "after its end"),
        (_of_another_topic, "of another topic"),
        (_sent_into_nothing, "never learned what became of m1"),
        (_refused_and_taken, "m1 was refused (topic_unavailable), and a1 heard it"),
        (_refused_and_in_the_order, "m1 was refused (topic_unavailable), and is in the topic's order"),
        (_refused_without_a_name, "unknown reason"),
        (_refused_twice, "told twice that m1 is refused"),
        (_told_of_anothers_refusal, "b1 was told of the refusal of m1"),
        (_refused_for_nothing, "m1 was refused without a reason"),
        (_refused_for_something_else, "m1 was refused as reserved_kind; it is from_mismatch"),
        (_in_anothers_name, "m1 should have been refused (from_mismatch)"),
        (_too_large_and_heard, "m1 was too large, and b1 heard it"),
        (_too_large_and_not_told, "not told before that m1 is too large"),
        (_taken_twice, "m1 was taken twice"),
        (_closed_without_a_reason, "there was no reason to"),
        (_in_with_a_token_that_had_ended, "c1 came in with a token that had ended"),
        (_open_after_its_tokens_end, "c1 is still open, though its token has ended"),
        (_taken_after_a_revocation, "taken after its token was revoked"),
        (_in_after_a_revocation, "c1 came in with a token that was revoked"),
        (_open_after_a_revocation, "still open, though its token was revoked"),
        (_taken_after_a_demotion, "rights that it no longer had"),
        (_refused_though_promoted, "m1 of b1 was refused, and it had"),
        (_a_welcome_that_forgets_somebody, "that bob is here, or not"),
        (_somebody_who_is_gone_and_still_there, "thinks that carol is in ops, but it is gone"),
        (_somebody_whom_nobody_was_told_of, "a1 does not know that carol is in ops"),
        (_a_leave_of_nobody, "a1 heard zoe leave, who was not there"),
        (_its_own_leave, "b1 heard itself leave"),
        (_rights_that_the_store_does_not_know, "a1 thinks that bob may"),
        (_rights_that_the_store_does_not_know, "b1 was told last that it may"),
        (_fulfilled_twice, "for the proposal p1"),
        (_an_answer_to_nothing, "names no request"),
        (_an_answer_of_another_method, "of another method"),
        (_an_answer_by_another, "whom the request q1 did not name"),
        (_an_answer_to_another, "r1 is not for ann"),
        (_taken_and_lost_in_silence, "then lost, and was not told"),
    ],
)
def test_a_rule_finds_what_breaks_it(break_it: Callable[[Story], None], found: str) -> None:
    story = two()
    break_it(story)
    sentences = story.settles()

    assert any(found in sentence for sentence in sentences), sentences

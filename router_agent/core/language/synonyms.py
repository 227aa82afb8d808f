"""Words that mean the same to somebody who asks for a tool."""

from __future__ import annotations

from typing import Final

from router_agent.core.language.stems import stem

_GROUPS: Final = """
find search look lookup seek locate discover explore browse query
get fetch retrieve obtain show display provide return give tell view list see read check know
create make add new generate build compose construct insert register
book reserve reservation booking schedule appointment arrange
buy purchase order shop acquire
delete remove erase drop clear destroy discard unregister
update change modify edit set adjust alter amend configure
send deliver transmit mail dispatch forward
calculate compute determine evaluate estimate work figure
convert translate transform exchange
play listen stream hear
cancel abort revoke
start begin launch run execute trigger initiate turn open activate enable
stop end halt finish close deactivate disable shut
predict forecast project prognosis
analyze analyse examine inspect assess study investigate
compare contrast difference versus
plan itinerary
movie film cinema picture
show series
song music track tune melody
restaurant diner eatery dining
food meal dish cuisine eat
car vehicle automobile auto
bus coach
flight plane airplane airline fly
hotel accommodation lodging stay
house home property apartment flat residence
price cost fee fare charge rate expensive
money amount sum cash
weather temperature climate rain sunny humidity forecast
location place city town area where address
country nation
people person individual adult passenger guest ppl traveler
doctor physician dentist therapist
job work occupation employment career
company business firm corporation organization organisation enterprise
user account customer member client
picture photo image photograph
message text sms note
email mail inbox
meeting event appointment calendar
task todo reminder
file document
folder directory
script program
repository repo git
commit
web internet online website site page
database sql table
record row entry
number count quantity many
distance far length long
weight heavy
height tall
speed velocity fast
time duration hour long
date day when
year annual yearly
month monthly
recipe cook cooking
game match play
score result point
team club
cast starring actor actress star feature act
directed director direct
player athlete
law legal lawsuit court
stock share equity
population inhabitant people
disease illness condition
medicine medication drug
route direction path way
ticket pass
theater theatre
size dimension
color colour
gender sex
language tongue
article news
book novel
author writer
painting artwork art
museum gallery
sum add total addition plus
multiply product times multiplication
divide division quotient
subtract minus
triangle
average mean
max maximum highest most largest top
min minimum lowest least smallest
latest recent newest last current now
near nearby close around nearest
child children kid
transit transport transportation
cheap inexpensive affordable
probability odds chance likelihood
volume loud loudness noise
command cmd terminal shell console
computer pc laptop desktop machine
taxi cab ride
inventor invent invention
clean cleaner cleaning housekeeper maid
chart graph plot diagram
contact phone telephone
salon hairdresser barber stylist
drink beverage
school university college
teacher tutor instructor
bill invoice receipt
salary wage income
""".strip().splitlines()


def _members() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _GROUPS:
        name, *others = line.split()
        for word in (name, *others):
            table.setdefault(stem(word), f"~{name}")
    return table


_MEMBERS: Final = _members()


def group_of(stemmed: str) -> str | None:
    """Return the name of a stem's group; a word in several groups is in the first."""
    return _MEMBERS.get(stemmed)

"""What to ask back when a value is missing, from the parameter's own words."""

from __future__ import annotations

import re
from typing import Final

from router_agent.core.language.words import parts_of
from router_agent.core.parameters import Parameter
from router_agent.core.untrusted import clean

_LONGEST: Final = 140


def question_for(parameter: Parameter) -> str:
    """Return one question; the description in it is cleaned, cut, and still a stranger's words."""
    name = " ".join(parts_of(parameter.name)) or parameter.name
    told = clean(re.split(r"(?<=[a-z)])\.(?:\s|$)", parameter.description)[0], _LONGEST).rstrip(".")
    about = f" ({told[0].lower() + told[1:]})" if told and told.lower() != name else ""
    if parameter.choices:
        shown = ", ".join(clean(str(one), 40) for one in parameter.choices[:6])
        more = ", …" if len(parameter.choices) > 6 else ""
        return f"Which {name}{about}: {shown}{more}?"
    return f"Which {name}{about}?"

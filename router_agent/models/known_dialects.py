"""Which dialect a model speaks: told from the file's own chat template; an unknown one is refused."""

from __future__ import annotations

from router_agent.models.dialects import Dialect
from router_agent.models.functiongemma import FunctionGemma
from router_agent.models.hermes import Hermes


class UnknownDialect(ValueError):
    """A model's chat template is none that is spoken here."""


def dialect_of(template: str) -> Dialect:
    """
    The dialect of a chat template, by the marks that only it has.

    Raises:
        UnknownDialect: the template has no marks that are known.
    """
    if "<start_function_call>" in template:
        return FunctionGemma()
    if "<tool_call>" in template and "<|im_start|>" in template:
        return Hermes()
    raise UnknownDialect("the model's chat template writes no function calls that are known here")

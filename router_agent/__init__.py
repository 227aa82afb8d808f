"""
Plain words in, the right tool called, or a question asked: one more participant of a topic.

`RouterAgent` takes part; `converse` puts tools behind the brackets of any reasoning model;
`Router` alone routes intents over a `Catalogue`, with nobody around.
"""

from router_agent.agent import RouterAgent
from router_agent.carrying import TopicCarrier
from router_agent.core import (
    DEFAULT_POLICY,
    Call,
    Catalogue,
    Decision,
    Encoder,
    Evidence,
    Policy,
    Route,
    Router,
    Tool,
)
from router_agent.errors import CasesRefused, IntentRefused, ModelUnavailable, RouterError
from router_agent.harness import Carrier, ChatEvent, Done, EventType, Limits, ReasoningModel, Turn, converse
from router_agent.opening import open_encoder, open_router
from router_agent.reasoning import AnthropicModel, LlamaModel, OpenAIModel
from router_agent.thinking import Thinker

__all__ = [
    "DEFAULT_POLICY",
    "AnthropicModel",
    "Call",
    "Carrier",
    "CasesRefused",
    "Catalogue",
    "ChatEvent",
    "Decision",
    "Done",
    "Encoder",
    "EventType",
    "Evidence",
    "IntentRefused",
    "Limits",
    "LlamaModel",
    "ModelUnavailable",
    "OpenAIModel",
    "Policy",
    "ReasoningModel",
    "Route",
    "Router",
    "RouterAgent",
    "RouterError",
    "Thinker",
    "Tool",
    "TopicCarrier",
    "Turn",
    "converse",
    "open_encoder",
    "open_router",
]

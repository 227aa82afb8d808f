"""The router's rules, pure: an intent and a catalogue in, a route out."""

from router_agent.core.encoder import Encoder
from router_agent.core.features import BY_BOTH, BY_ITS_WORDS, BY_READING, BY_WORDS, OF_VALUES
from router_agent.core.filling import Evidence, Filled, fill
from router_agent.core.fitting import calibration_error, fit, fit_choice
from router_agent.core.gate import Gate, Logistic
from router_agent.core.intents import LONGEST_INTENT, Answer, Intent
from router_agent.core.planning import Monolithic, Plan, Strategy
from router_agent.core.router import DEFAULT_POLICY, EVERY_CALL, Policy, Router
from router_agent.core.routes import Alternative, Call, Decision, Missing, Route
from router_agent.core.selector import Selected, select
from router_agent.core.tools import Catalogue, Tool
from router_agent.core.untrusted import clean

__all__ = [
    "BY_BOTH",
    "BY_ITS_WORDS",
    "BY_READING",
    "BY_WORDS",
    "DEFAULT_POLICY",
    "EVERY_CALL",
    "LONGEST_INTENT",
    "OF_VALUES",
    "Alternative",
    "Answer",
    "Call",
    "Catalogue",
    "Decision",
    "Encoder",
    "Evidence",
    "Filled",
    "Gate",
    "Intent",
    "Logistic",
    "Missing",
    "Monolithic",
    "Plan",
    "Policy",
    "Route",
    "Router",
    "Selected",
    "Strategy",
    "Tool",
    "calibration_error",
    "clean",
    "fill",
    "fit",
    "fit_choice",
    "select",
]

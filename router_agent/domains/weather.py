"""
An MCP server for the weather, from a table that comes with it: nothing in it was measured.

    python -m router_agent.domains.weather
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.hints import READS

SOURCE: Final = "a table bundled with this server: made up for demonstrations, not measured"

Units = Literal["fahrenheit", "celsius"]
Place = Annotated[str, Field(description="City, such as 'San Francisco'", max_length=100)]


class Weather(TypedDict):
    """The weather of one city on one day."""

    location: str
    day: int
    """0 is today."""
    temperature: int
    units: Units
    condition: str
    humidity_percent: int
    source: str


def weather_server() -> MCPServer:
    """Return the server with its table."""
    table: dict[str, Any] = json.loads(files("router_agent.domains").joinpath("weather.json").read_text())
    cities = {name.casefold(): name for name in table}
    server = MCPServer("weather", instructions=f"Current weather and forecasts, from {SOURCE}.")

    def weather_of(location: str, day: int, units: Units) -> Weather:
        city = cities.get(location.partition(",")[0].strip().casefold())
        if city is None:
            known = ", ".join(sorted(table))
            raise ToolError(f"The bundled table has no '{location}'; it has {known}")
        celsius, condition, humidity = table[city][day]
        return {
            "location": city,
            "day": day,
            "temperature": celsius if units == "celsius" else round(celsius * 9 / 5 + 32),
            "units": units,
            "condition": condition,
            "humidity_percent": humidity,
            "source": SOURCE,
        }

    @server.tool(annotations=READS)
    def check_weather(location: Place, units: Units = "fahrenheit") -> Weather:
        """Check the weather in a city now."""
        return weather_of(location, 0, units)

    @server.tool(annotations=READS)
    def get_forecast(
        location: Place,
        days: Annotated[int, Field(description="How many days, from today", ge=1, le=7)] = 3,
        units: Units = "fahrenheit",
    ) -> list[Weather]:
        """Get the weather forecast for a city."""
        return [weather_of(location, day, units) for day in range(days)]

    return server


if __name__ == "__main__":
    weather_server().run()

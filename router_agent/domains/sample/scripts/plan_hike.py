"""Plan a hike: how long a way takes outdoors."""

import sys

kilometres = float(sys.argv[1]) if len(sys.argv) > 1 else 12.0
hours = kilometres / 4
print(f"{kilometres:g} km outdoors take about {hours:.1f} hours, and half an hour of rest.")

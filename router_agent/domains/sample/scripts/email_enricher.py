"""Take an email address apart into name, host and a likely greeting."""

import sys

name, _, host = (sys.argv[1] if len(sys.argv) > 1 else "ada.lovelace@mcpx.example").partition("@")
greeting = " ".join(part.capitalize() for part in name.replace("_", ".").split("."))
print(f"name {name}, host {host}: Dear {greeting},")

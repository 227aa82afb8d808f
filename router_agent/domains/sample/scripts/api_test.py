"""Check that an answer of the API, as JSON, has the members it should have."""

import json
import sys

answer = json.loads(sys.argv[1] if len(sys.argv) > 1 else '{"id": 1, "status": "ok"}')
missing = [name for name in ("id", "status") if name not in answer]
print("missing: " + ", ".join(missing) if missing else "all there")

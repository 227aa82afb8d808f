"""Count birds seen outdoors: each argument is one bird."""

import sys
from collections import Counter

for bird, count in Counter(sys.argv[1:] or ["robin", "robin", "wren"]).most_common():
    print(f"{count:3}  {bird}")

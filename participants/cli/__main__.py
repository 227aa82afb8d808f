"""`python -m participants.cli` is `mcpx`, where no script was installed."""

import sys

from participants.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

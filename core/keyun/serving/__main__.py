"""``python -m keyun.serving``: one generation of processes; only the supervisor starts it."""

import sys

from keyun.serving.host import main

sys.exit(main())

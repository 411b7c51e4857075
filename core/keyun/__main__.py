"""``python -m keyun``."""

from keyun.cli import main

if __name__ == "__main__":
    main()

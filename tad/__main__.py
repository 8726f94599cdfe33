"""``python -m tad``"""

import sys

from tad.cli import main

if __name__ == "__main__":
    sys.exit(main())

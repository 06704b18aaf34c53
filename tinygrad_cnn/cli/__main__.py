"""`python -m tinygrad_cnn.cli`, where the command itself is not on the PATH."""

import sys

from tinygrad_cnn.cli import main

sys.exit(main())

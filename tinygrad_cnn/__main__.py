"""`python -m tinygrad_cnn`, where the command `tinygrad-cnn` is not on the PATH."""

import sys

from tinygrad_cnn.cli import main

sys.exit(main())

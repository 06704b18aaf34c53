"""`python -m tinygrad_cnn`, where the command `tinygrad-cnn` is not on the PATH."""

import sys

from _tinygrad_cnn_command import main

sys.exit(main())

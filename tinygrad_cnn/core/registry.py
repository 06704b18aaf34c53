"""Where the core finds the library's functions.

Tensor's methods and the sweep call ops (`x + y` is `add(x, y)`), which are declared in the layer
above. That layer fills this namespace when it is imported; nothing here imports upward.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

functions: Any = ModuleType("functions")  # of all objects, Python finds names in modules fastest

"""Where the command `tinygrad-cnn` begins.

Outside the package, since importing any part of it imports NumPy first: for that third of a second
a Ctrl-C would show a traceback.
"""


def main() -> int:
    """Run the command; returns the exit code, 130 for Ctrl-C."""
    try:
        from tinygrad_cnn.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130

"""`python -m feedbridge` and the `feedbridge` command."""

import gc
import os
import sys


def main() -> None:
    """Run the command line; a build that would find nothing to do ends before anything else is loaded."""
    if sys.argv[1:2] == ["build"]:
        gc.disable()  # none of what is loaded is ever let go; the build itself says when to look for garbage
        from feedbridge import standstill
        from feedbridge.terminal import say_and_leave

        if (text := standstill.answer(sys.argv[1:], os.environ)) is not None:
            say_and_leave(text)
    from feedbridge.cli import app

    app()


if __name__ == "__main__":
    main()

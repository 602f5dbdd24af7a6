"""`xene version`. (Without options `cli` answers it before this is imported.)"""

from __future__ import annotations

from xene import __version__
from xene.commands.call import Call


def version(call: Call) -> int:
    """Print the version of xene; with -o json also of Python, and where things are kept."""
    import platform

    from xene.commands.call import xene_home

    if call.structured:
        call.put_value(
            {
                "version": __version__,
                "python": platform.python_version(),
                "home": xene_home(),
                "state": call.state,
            }
        )
    else:
        call.put(f"xene {__version__}")
    return 0

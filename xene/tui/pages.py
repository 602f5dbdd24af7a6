"""The two pages that a browser gets: one asks for a token, one is the terminal. Pure. Used by `door`, `serving`.

Nothing in them comes from elsewhere: the font is served from here too. What textual-serve's script wants to find is
an element of class `textual-terminal`; it marks the body `-first-byte` when the screen is there, `-closed` when it
has ended.
"""

from __future__ import annotations

from html import escape

_STYLE = """
body { margin: 0; background: #121212; color: #e0e0e0; font: 16px/1.5 'Roboto Mono', ui-monospace, monospace }
.over { position: fixed; inset: 0; display: grid; place-items: center; padding: 1em; background: #121212 }
.over > * { max-width: 38em }
input, button { font: inherit; padding: .5em .7em; margin-top: .7em; color: inherit; background: #1e1e1e;
  border: 1px solid #4d4d4d; border-radius: 3px; width: 100%; box-sizing: border-box }
button { background: #0178d4; border-color: #0178d4; color: #fff; cursor: pointer }
input:focus, button:focus { outline: 2px solid #8bc1ef }
code { color: #ffc473 }
"""
_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>xene status</title><link rel="icon" href="data:,">"""

LOGIN_WORDS = "A token is wanted: <code>xene token create NAME --role read</code>, or admin to act too."


def login(complaint: str = "") -> str:
    """The page that asks for a token; `complaint` says what was wrong with the one before."""
    said = f"<p role=alert>{escape(complaint)}</p>" if complaint else ""
    return f"""{_HEAD}<style>{_STYLE}</style></head><body><main class="over"><form method="post" action="/login">
{said}<p>{LOGIN_WORDS}</p>
<input type="password" name="token" autofocus autocomplete="current-password" placeholder="xene_..."
  aria-label="token">
<button>Show the screen</button></form></main></body></html>
"""


def terminal(websocket: str, font_size: int) -> str:
    """The page that shows a screen; `websocket` is the address that carries it."""
    return f"""{_HEAD}<link rel="stylesheet" href="/static/css/xterm.css"><style>
@font-face {{ font-family: 'Roboto Mono'; src: url('/static/fonts/RobotoMono-VariableFont_wght.ttf') }}
{_STYLE}
.textual-terminal {{ position: fixed; inset: 0; overflow: hidden }}
body.-first-byte .beginning, .ended {{ display: none }}
body.-closed .ended {{ display: grid; background: #121212cc }}
</style><script src="/static/js/textual.js"></script></head><body>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{escape(websocket)}"
  data-font-size="{font_size}"></div>
<script>
new MutationObserver(() => document.querySelector('.xterm-helper-textarea')?.focus())
  .observe(document.body, {{attributes: true}})
</script>
<div class="over beginning">the screen is on its way</div>
<div class="over ended"><form action="/"><p>The screen has ended.</p>
<button>Open it again</button></form></div>
</body></html>
"""

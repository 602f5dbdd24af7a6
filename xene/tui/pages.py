"""The pages that a browser gets: one asks for a token, one is the terminal, one says why there is none. Pure.

Used by `door` and `serving`.

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
button.less { background: transparent; border-color: #4d4d4d }
input:focus, button:focus { outline: 2px solid #8bc1ef }
code { color: #ffc473 }
"""
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16'"
    " height='16' rx='3' fill='%23121212'/%3E%3Cpath d='M4 4l8 8M12 4l-8 8' stroke='%23ffa62b' stroke-width='2.4'"
    " stroke-linecap='round'/%3E%3C/svg%3E"
)
_HEAD = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>xene status</title><link rel="icon" href="{_ICON}">"""

LOGIN_WORDS = "A token is wanted: <code>xene token create NAME --role read</code>, or admin to act too."
SMALLEST, LARGEST = 6, 48  # pixels of the letters
SCRIPT = """\
"use strict";
const terminal = document.getElementById("terminal");
terminal.dataset.sessionWebsocketUrl = location.origin.replace(/^http/, "ws") + "/ws";

// Keys go to the screen when it is there, and to the button when it has ended.
new MutationObserver(() => {
  const ended = document.body.classList.contains("-closed");
  document.querySelector(ended ? ".ended button" : ".xterm-helper-textarea")?.focus();
}).observe(document.body, {attributes: true});

// textual-serve's script measures letters when it begins, and keeps drawings of them: the font must be here before.
function begin() {
  const script = document.createElement("script");
  script.src = "/static/js/textual.js";
  script.onload = () => window.onload();
  document.head.append(script);
}
addEventListener("load", () => {
  const faces = ["", "bold ", "italic ", "italic bold "];
  Promise.allSettled(faces.map(face => document.fonts.load(`${face}16px 'Roboto Mono'`))).then(begin);
});
"""


def login(complaint: str = "") -> str:
    """The page that asks for a token; `complaint` says what was wrong with the one before."""
    said = f"<p role=alert>{escape(complaint)}</p>" if complaint else ""
    return f"""{_HEAD}<style>{_STYLE}</style></head><body><main class="over"><form method="post" action="/login">
{said}<p>{LOGIN_WORDS}</p>
<input type="text" name="username" value="xene status" autocomplete="username" hidden>
<input type="password" name="token" autofocus autocomplete="current-password" placeholder="xene_..."
  aria-label="token">
<button>Show the screen</button></form></main></body></html>
"""


def notice(words: str, button: str) -> str:
    """A page that says why there is no screen, with a button that tries again."""
    return f"""{_HEAD}<style>{_STYLE}</style></head><body><main class="over"><form action="/">
<p role=alert>{escape(words)}</p><button autofocus>{escape(button)}</button></form></main></body></html>
"""


def terminal(font_size: int) -> str:
    """The page that shows a screen, in letters of that many pixels."""
    size = max(SMALLEST, min(font_size, LARGEST))
    return f"""{_HEAD}<link rel="stylesheet" href="/static/css/xterm.css"><style>
@font-face {{ font-family: 'Roboto Mono'; font-weight: 100 700;
  src: url('/static/fonts/RobotoMono-VariableFont_wght.ttf') }}
@font-face {{ font-family: 'Roboto Mono'; font-weight: 100 700; font-style: italic;
  src: url('/static/fonts/RobotoMono-Italic-VariableFont_wght.ttf') }}
{_STYLE}
.textual-terminal {{ position: fixed; inset: 0; overflow: hidden }}
body.-first-byte .beginning, .ended {{ display: none }}
body.-closed .beginning {{ display: none }}
body.-closed .ended {{ display: grid; background: #121212cc }}
</style></head><body>
<div id="terminal" class="textual-terminal" data-font-size="{size}"></div>
<div class="over beginning">the screen is on its way</div>
<div class="over ended"><div><p>The screen has ended.</p><form action="/"><button>Open it again</button></form>
<form method="post" action="/logout"><button class="less">Log out</button></form></div></div>
<script src="/page.js"></script></body></html>
"""

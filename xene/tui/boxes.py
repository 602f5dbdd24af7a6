"""How what lies over a screen looks: a box in the middle. Data only."""

from __future__ import annotations

BOX = """
{name} {{ align: center middle; }}
{name} > Vertical {{
    width: 90%; max-width: 90; height: auto; max-height: 90%; padding: 1 2; border: round $primary;
    background: $surface;
}}
{name} Label, {name} .command {{ width: 100%; }}
{name} .command {{ color: $text-muted; height: auto; }}
{name} Horizontal.buttons {{ height: auto; margin-top: 1; }}
{name} Button {{ margin-right: 2; }}
{name} Input {{ background: $boost; }}
"""

"""However a terminal's bytes are torn, what was pasted is one paste, and nothing of it is keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xene.tui.pastes import BEGIN, END, Pastes, Piece

PARTS = st.lists(
    st.tuples(st.booleans(), st.text(alphabet=["a", "y", "\x1b", "[", "2", "0", "~", "\n", "é"], max_size=8)),
    max_size=6,
)


def found(pieces: list[str]) -> list[Piece]:
    """What comes of these, where a key is as many pieces as there are."""
    pastes = Pastes()
    got = [piece for text in pieces for piece in pastes.take(text)]
    return [*got, *([Piece(rest)] if (rest := pastes.release() if pastes.waits else "") else [])]


def joined(pieces: list[Piece]) -> list[Piece]:
    """Keys that follow each other as one."""
    whole: list[Piece] = []
    for piece in pieces:
        if whole and not whole[-1].pasted and not piece.pasted:
            whole[-1] = Piece(whole[-1].text + piece.text)
        else:
            whole.append(piece)
    return whole


def test_a_paste_with_everything_in_it() -> None:
    text = "abc \x1b[32my\x1b[<0;1;1M\r\n\x1b[A\x1b"
    assert found([f"k{BEGIN}{text}{END}x"]) == [Piece("k"), Piece(text, True), Piece("x")]


def test_an_esc_is_held_and_can_be_released() -> None:
    pastes = Pastes()
    assert list(pastes.take("a\x1b")) == [Piece("a")] and pastes.waits and pastes.release() == "\x1b"
    assert list(pastes.take("\x1b[A")) == [Piece("\x1b[A")] and not pastes.waits


def test_what_is_pasted_is_not_released_as_keys() -> None:
    pastes = Pastes()
    assert list(pastes.take(BEGIN + "y\x1b[20")) == [] and not pastes.waits
    assert list(pastes.take("1~")) == [Piece("y", True)]


def test_an_empty_paste() -> None:
    assert found([BEGIN + END]) == [Piece("", True)]


@given(PARTS, st.data())
def test_torn_anywhere_it_is_the_same(parts: list[tuple[bool, str]], data: st.DataObject) -> None:
    sent = "".join(f"{BEGIN}{text.replace(END, '')}{END}" if pasted else text for pasted, text in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert joined(found(pieces)) == joined(found([sent]))

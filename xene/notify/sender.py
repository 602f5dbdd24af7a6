"""One try to tell a notice: a webhook, a mail, a command. Raises Untold with a reason in which no secret is.

Called by `companion` on its event loop. aiohttp and aiosmtplib are imported with the first notice.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Mapping
from urllib.parse import urlsplit

from xene.control.loopback import is_loopback
from xene.control.settings import settings, sources
from xene.engine.expressions import ExpressionError
from xene.engine.mask import Needles
from xene.errors import XeneError
from xene.model.notice import EMAIL, WEBHOOK
from xene.model.secret import Secret
from xene.notify import message
from xene.notify.message import Facts
from xene.secrets.config import allow_of

SECONDS = 10.0  # that one try may take
TLS_PORT = 465  # where a mail server speaks TLS from the beginning


class Untold(Exception):
    """The try came to nothing."""


async def tell(
    home: str, key: str, target: Mapping[str, Any], found: Facts, known: Mapping[str, Secret]
) -> None:
    """Tell it once. `known` are the Secrets that the target names, `key` tells it from others. Raises Untold."""
    try:
        async with asyncio.timeout(SECONDS + 1.0):
            if WEBHOOK in target:
                await _webhook(home, key, target[WEBHOOK], found, known)
            elif EMAIL in target:
                await _email(home, key, target[EMAIL], found, known)
            else:
                await _command(home, target["command"], found)
    except TimeoutError:
        raise Untold(f"no answer within {SECONDS:g} s") from None
    except XeneError as error:
        raise Untold(error.message) from None
    except ExpressionError as error:
        raise Untold(f"its template: {error.message}") from None


async def _value(home: str, name: str, known: Mapping[str, Secret]) -> str:
    """The value of a secret, read on another thread: a password manager may take its time."""
    return (await asyncio.to_thread(sources(home).values, dict(known), [name]))[name]


async def _webhook(
    home: str, key: str, target: Mapping[str, Any], found: Facts, known: Mapping[str, Secret]
) -> None:
    import aiohttp

    hidden = "url" not in target
    url = await _value(home, target["secretRef"], known) if hidden else target["url"]
    where = f"the URL of secret {target['secretRef']}" if hidden else _host(url)
    if not _is_url(url):
        raise Untold(f"{where} is no http(s) URL")
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "xene"}
    try:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                url,
                data=message.body(found, target.get("template")).encode(),
                headers=headers,
                allow_redirects=False,
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise Untold(f"{where} answered {answer.status}")
    except (aiohttp.ClientError, ValueError, OSError) as error:
        why = type(error).__name__ if hidden else f"{type(error).__name__}: {error}".replace(url, where)
        raise Untold(f"{where}: {why}") from None


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number
        return False


def _host(url: str) -> str:
    """As much of a URL as may stand in an error: what is behind the host often opens a door."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"


async def _email(
    home: str, key: str, target: Mapping[str, Any], found: Facts, known: Mapping[str, Secret]
) -> None:
    import aiosmtplib

    smtp = settings(home).get("smtp")
    if smtp is None:
        raise Untold("there is no smtp in $XENE_HOME/config.yaml")
    password = await _value(home, smtp["secretRef"], known) if "secretRef" in smtp else None
    port = smtp.get("port", 587)
    try:
        await aiosmtplib.send(
            _mail(key, smtp["from"], target["to"], found),
            hostname=smtp["host"],
            port=port,
            username=smtp.get("user"),
            password=password,
            timeout=SECONDS,
            use_tls=port == TLS_PORT,
            start_tls=start_tls(smtp["host"], port, password is not None),
        )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        words = _without(f"{type(error).__name__}: {error}", smtp.get("user", ""), password)
        raise Untold(f"mail by {smtp['host']}: {words}") from None


def _mail(key: str, sender: str, to: list[str], found: Facts) -> EmailMessage:
    """Raises ValueError for a sender that no header can hold."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(to), message.subject(found)
    mail["Message-ID"], mail["Date"] = f"<{key}@xene>", formatdate(usegmt=True)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.mail(found))
    return mail


def start_tls(host: str, port: int, password: bool) -> bool | None:
    """STARTTLS: None where it is offered, True or nothing is sent at all.

    A password goes to another host in no other way, since whoever sits between may leave the offer out.
    """
    return True if password and port != TLS_PORT and host != "localhost" and not is_loopback(host) else None


def _without(text: str, user: str, password: str | None) -> str:
    """The text without the password in any form in which a server may say it again."""
    if password is None:
        return text
    said = base64.b64encode(f"\0{user}\0{password}".encode()).decode()  # what AUTH PLAIN sends
    return Needles([password, said]).mask_text(text)


async def _command(home: str, argv: list[str], found: Facts) -> None:
    program = allow_of(settings(home)).program(argv[0])
    if program is None:
        raise Untold(f"the program {argv[0]} is not there, or config.yaml does not allow it")
    try:
        child = await _start(program, argv[1:])
    except (OSError, ValueError) as error:  # no format that this host runs; no memory; a NUL in an argument
        raise Untold(f"{argv[0]} cannot be started: {error}") from None
    try:
        async with asyncio.timeout(SECONDS):
            await child.communicate(json.dumps(found).encode())
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended in this moment
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    if child.returncode:
        raise Untold(f"{argv[0]} exited with {child.returncode}")


async def _start(program: str, words: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        program,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("PATH", "HOME", "USER", "LANG") if name in os.environ},
        start_new_session=True,
    )

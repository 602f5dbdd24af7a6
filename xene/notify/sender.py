"""One try to tell a notice: a webhook, a mail, a command. Raises Untold with a reason in which no secret is.

Called by `companion` on its event loop. aiohttp and aiosmtplib are imported with the first notice.
"""

from __future__ import annotations

import asyncio
import json
import os
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Mapping
from urllib.parse import urlsplit

from xene.control.settings import settings, sources
from xene.engine.expressions import ExpressionError
from xene.errors import XeneError
from xene.model.notice import EMAIL, WEBHOOK
from xene.model.secret import Secret
from xene.notify import message
from xene.notify.message import Facts
from xene.secrets.config import allow_of

SECONDS = 10.0  # that one try may take


class Untold(Exception):
    """The try came to nothing."""


async def tell(
    home: str, uuid: str, target: Mapping[str, Any], found: Facts, known: Mapping[str, Secret]
) -> None:
    """Tell it once. `known` are the Secrets that the target names, `uuid` that of the state. Raises Untold."""
    key = f"{uuid}-{found['id']}"
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
    if urlsplit(url).scheme not in ("http", "https"):
        raise Untold("the secret that it names holds no http(s) URL")
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "xene"}
    where = f"the URL of secret {target['secretRef']}" if hidden else url
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
        why = type(error).__name__ if hidden else f"{type(error).__name__}: {error}"
        raise Untold(f"{where}: {why}") from None


async def _email(
    home: str, key: str, target: Mapping[str, Any], found: Facts, known: Mapping[str, Secret]
) -> None:
    import aiosmtplib

    smtp = settings(home).get("smtp")
    if smtp is None:
        raise Untold("there is no smtp in $XENE_HOME/config.yaml")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = smtp["from"], ", ".join(target["to"]), message.subject(found)
    mail["Message-ID"], mail["Date"] = f"<{key}@xene>", formatdate(usegmt=True)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.mail(found))
    password = await _value(home, smtp["secretRef"], known) if "secretRef" in smtp else None
    try:
        await aiosmtplib.send(
            mail,
            hostname=smtp["host"],
            port=smtp.get("port", 587),
            username=smtp.get("user"),
            password=password,
            use_tls=smtp.get("port") == 465,
            timeout=SECONDS,
        )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        words = str(error) if password is None else str(error).replace(password, "***")
        raise Untold(f"mail by {smtp['host']}: {type(error).__name__}: {words}") from None


async def _command(home: str, argv: list[str], found: Facts) -> None:
    program = allow_of(settings(home)).program(argv[0])
    if program is None:
        raise Untold(f"the program {argv[0]} is not there, or config.yaml does not allow it")
    child = await asyncio.create_subprocess_exec(
        program,
        *argv[1:],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("PATH", "HOME", "USER", "LANG") if name in os.environ},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS):
            await child.communicate(json.dumps(found).encode())
    finally:
        if child.returncode is None:
            os.killpg(child.pid, 9)
            await child.wait()
    if child.returncode:
        raise Untold(f"{argv[0]} exited with {child.returncode}")

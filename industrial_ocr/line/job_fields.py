"""Values and keys that several sections of a job file have in common."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from industrial_ocr.config import Section


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("must be the name of an environment variable, never the secret itself")
    return name


def _without_password(address: str) -> str:
    if urlsplit(address).password is not None:
        raise ValueError(
            "holds a password; put it into an environment variable and give the variable's name"
        )
    return address


Port = Annotated[int, Field(ge=1, le=65535)]
Variable = Annotated[str, AfterValidator(_variable)]
"""Name of an environment variable that holds a secret."""
Address = Annotated[str, AfterValidator(_without_password)]
"""An address that holds no password."""


class MqttSection(Section):
    """The connection to an MQTT broker.

    Attributes:
        host: host of the broker.
        port: port of the broker.
        user: user name, if the broker requires one.
        password_env: environment variable that holds the user's password.
        tls: whether the connection is encrypted; the system must trust the broker's certificate.
    """

    kind: Literal["mqtt"]
    host: str
    port: Port = 1883
    topic: str
    user: str | None = None
    password_env: Variable | None = None
    tls: bool = False

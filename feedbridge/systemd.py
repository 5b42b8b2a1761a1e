"""Tells the service manager how the daemon is (sd_notify(3)); does nothing where no manager listens."""

import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta

_PATIENCE_SECONDS = 0.5
"""A manager that takes no word for so long gets none."""


class Manager:
    """The service manager that started us, if there is one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        self.watchdog = timedelta(microseconds=int(usec)) if mine and usec.isdecimal() and int(usec) > 0 else None
        """Within this time it must hear from us; None if it does not ask."""

    def ready(self) -> None:
        """All is up."""
        self._tell("READY=1")

    def alive(self) -> None:
        """All is still well."""
        self._tell("WATCHDOG=1")

    def reloading(self) -> None:
        """The settings are being read again; `ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
                wire.settimeout(_PATIENCE_SECONDS)
                wire.connect(address)
                wire.sendall(message.encode())
        except OSError:
            return  # a manager that has gone needs no word

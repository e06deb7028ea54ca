"""A PyMySQL connection that is made quickly where nobody's certificate is checked."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING, Any

from pymysql.connections import Connection

if TYPE_CHECKING:
    _Connection = Connection[Any]
else:
    _Connection = Connection  # which knows no type arguments


class QuickConnection(_Connection):
    """A connection that reads no certificates of authorities if its URL asks for no TLS.

    PyMySQL (1.2) then encrypts if the server can, with whatever certificate it has. But for each connection
    it reads those of all the system's authorities, which takes longer than all the rest.
    """

    def _create_ssl_ctx(self, options: Any) -> Any:
        if not options:
            return _taking_any_certificate()
        driver: Any = super()
        return driver._create_ssl_ctx(options)


@cache
def _taking_any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

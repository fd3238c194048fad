"""A method and its parameters go in; what an XML-RPC server returns leaves, or `Failed`, or its own fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.sinks.base import Failed, Refused, Unavailable
from tocsin.sinks.http import Http

__all__ = ["XmlRpc", "XmlRpcFault"]

# What XML 1.0 §2.2 forbids, which xmlrpc.client would write all the same; and lone surrogates, which it can't encode.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlRpcFault(Exception):
    """Be a fault that the server returned, with its code. ``said`` is foreign, and not masked."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(code, said)
        self.code = code
        self.said = said


class XmlRpc:
    """Call methods at one path of a server. Not thread-safe."""

    def __init__(self, http: Http, path: str, headers: Mapping[str, str]) -> None:
        self._http = http
        self._path = path
        self._headers = {"Content-Type": "application/xml", **headers}

    def call(self, method: str, *params: Any, step: str) -> Any:
        """Return what the method returns: strings, whole numbers, booleans, DateTimes, lists and dicts of them.

        Raises Failed where no XML-RPC server answers, XmlRpcFault where it answers with a fault.
        """
        import xmlrpc.client

        data = xmlrpc.client.dumps(tuple(_writable(each) for each in params), method).encode("utf-8")
        try:
            reply = self._http.call("POST", self._path, body=data, headers=self._headers, step=step, allow=(404,))
        except Failed as failed:
            if not isinstance(failed.outcome, Refused):
                raise
            # XML-RPC refuses by a fault, with 200: another status is a proxy's, and nothing is wrong with the text.
            remedy = "check url, and what stands before the server"
            raise Failed(Unavailable(failed.outcome.reason, remedy)) from None
        if reply.status == 404:
            reason = f"{self._http.where} answered 404 while {step}: there is no XML-RPC at this url"
            raise Failed(Unavailable(reason, "check url, and that the project's XML-RPC plugin is enabled"))
        try:
            (found,), _ = xmlrpc.client.loads(reply.body)
        except xmlrpc.client.Fault as fault:
            raise XmlRpcFault(fault.faultCode, str(fault.faultString)) from None
        except Exception:  # noqa: BLE001 - expat's and the unmarshaller's own, of any kind: it is another's text
            reason = f"{self._http.where} did not answer with XML-RPC while {step}"
            raise Failed(Unavailable(reason, "check url, and that the XML-RPC plugin is enabled")) from None
        return found

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._http.close()


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return _FORBIDDEN.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {str(name): _writable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(each) for each in value]
    return value

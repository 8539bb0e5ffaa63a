# SPDX-License-Identifier: Apache-2.0
"""The HTTP port as routers and people ask it: JSON out and in, over one
connection that is kept."""
import http.client
import json


class JsonClient:
    def __init__(self, port, seconds=20):
        self.connection = http.client.HTTPConnection("127.0.0.1", port,
                                                     timeout=seconds)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def ask(self, method, path, body=None):
        """(status, headers, bytes)"""
        self.connection.request(method, path, body)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _json(self, status, answer):
        found, headers, text = answer
        if found != status or headers["Content-Type"] != "application/json":
            raise AssertionError(f"{found}, not {status}: {text[:300]!r}")
        return json.loads(text)

    def get(self, path, status=200):
        return self._json(status, self.ask("GET", path))

    def post(self, path, body, status=200):
        """body: what becomes JSON, or bytes as they are."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self._json(status, self.ask("POST", path, body))

"""AMD's key distribution service and Intel's certification service, played by a local HTTPS server
that answers from a table, and misbehaves where a test asks for it."""

import http.server
import pathlib
import ssl
import subprocess
import threading
import time


class Vendor:
    """answers: path with query -> (headers, body).  Every request is noted in `requests`."""

    def __init__(self, folder: pathlib.Path):
        self.answers: dict[str, tuple[dict[str, str], bytes]] = {}
        self.faults: list[str] = []  # one is used up by each request
        self.requests: list[tuple[str, str | None]] = []
        self.ca = folder / "ca.pem"
        key = folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", key, "-out", self.ca, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def _handler(vendor):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                vendor.requests.append((self.path, self.headers.get("If-None-Match")))
                fault = vendor.faults.pop(0) if vendor.faults else ""
                if fault == "slow":
                    time.sleep(3)
                if fault in ("429", "500", "503"):
                    self.send_response(int(fault))
                    self.send_header("Retry-After", "0")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if self.path not in vendor.answers:
                    self.send_error(404)
                    return
                headers, body = vendor.answers[self.path]
                if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
                    self.send_response(304)
                    self.end_headers()
                    return
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                if fault == "huge":
                    body = bytes(9 << 20)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
                if fault == "cut":
                    self.close_connection = True

        return Handler

"""A proxy that takes a prefix off each path and passes all else on, as one before many apps does."""

import contextlib
import socket
import socketserver
import threading

MOST = 65_536


class _Handler(socketserver.BaseRequestHandler):
    """One request a connection, so that every path passes here; a WebSocket keeps its connection."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            read = self.request.recv(MOST)
            if not read:
                return
            head += read
        head, _, body = head.partition(b"\r\n\r\n")
        first, *fields = head.split(b"\r\n")
        method, path, version = first.split(b" ")
        if not path.startswith(self.server.prefix + b"/"):
            self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if not any(field.lower().startswith(b"upgrade:") for field in fields):
            fields = [f for f in fields if not f.lower().startswith(b"connection:")] + [b"Connection: close"]
        lines = [b" ".join((method, path.removeprefix(self.server.prefix), version)), *fields, b"", body]
        with socket.create_connection(("127.0.0.1", self.server.behind)) as behind:
            behind.sendall(b"\r\n".join(lines))
            back = threading.Thread(target=_pass_on, args=(behind, self.request), daemon=True)
            back.start()
            _pass_on(self.request, behind)
            back.join()


def _pass_on(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(MOST):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False


@contextlib.contextmanager
def proxy_with_prefix(prefix, behind):
    """A proxy before the port ``behind`` for as long as it is wanted; gives its address, prefix included."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.prefix, server.behind = prefix.encode(), behind
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
        server.shutdown()

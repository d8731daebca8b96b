"""An attested stream that looks like a socket, for HTTP libraries that own their sockets."""

import io


class _Raw(io.RawIOBase):
    """What makefile() reads and writes through; closing it leaves the socket open."""

    def __init__(self, sock):
        self._sock = sock

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, buffer):
        return self._sock.recv_into(buffer)

    def write(self, data):
        return self._sock.send(data)

    def fileno(self):
        return self._sock.fileno()


class AttestedSocket:
    """The part of socket.socket that http.client, urllib3 and httpcore use, over a blind.Stream.

    There is no way to make one before the verdict: it takes a Stream, and a Stream has one."""

    def __init__(self, stream, timeout=None):
        self.stream, self._timeout = stream, timeout

    def settimeout(self, seconds):
        self._timeout = seconds

    def gettimeout(self):
        return self._timeout

    def recv_into(self, buffer, size=0, flags=0):
        view = memoryview(buffer).cast("B")
        return self.stream.read_into(view[:size] if size else view, self._timeout)

    def recv(self, size, flags=0):
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer)])

    def send(self, data, flags=0):
        return self.stream.write(data, self._timeout)

    def sendall(self, data, flags=0):
        view = memoryview(data).cast("B")
        while len(view):
            view = view[self.stream.write(view, self._timeout):]

    def makefile(self, mode="r", buffering=None, **text):
        raw = _Raw(self)
        if buffering == 0:
            return raw
        size = buffering if buffering and buffering > 0 else io.DEFAULT_BUFFER_SIZE
        if "w" in mode and "r" not in mode:
            return io.BufferedWriter(raw, size)
        return io.BufferedReader(raw, size)

    def fileno(self):
        return self.stream.fileno()

    def setsockopt(self, *ignored):
        """Options are the library's (TCP_NODELAY is set)."""

    def shutdown(self, how):
        self.close()

    def close(self):
        self.stream.close()

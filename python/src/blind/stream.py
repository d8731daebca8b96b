"""An attested byte stream, from Python."""

from . import errors
from ._blind import ffi, lib
from .dial import Dial, refused
from .verdict import Verdict


def open_stream(url, **options):
    """Dials `url`, verifies, and returns a Stream; options as for connect()."""
    return Stream(Dial(url, **options))


class Stream:
    """Bytes to and from a verified server.  One thread at a time."""

    def __init__(self, dial):
        self._dial = dial  # the policy is borrowed
        out, result = ffi.new("blind_stream **"), ffi.new("blind_result **")
        err, options = ffi.new("blind_error *"), ffi.new("blind_dial_options *", dial.options)
        if lib.blind_stream_open(options, out, result, err) != lib.BLIND_OK:
            raise refused(err, result)
        self._stream = ffi.gc(out[0], lib.blind_stream_close)

    def _live(self):
        if self._stream is None:
            raise errors.ClosedError("the stream is closed", "stream")
        return self._stream

    def _wait(self, timeout):
        err = ffi.new("blind_error *")
        milliseconds = -1 if timeout is None else max(0, int(timeout * 1000))
        if lib.blind_stream_wait(self._live(), milliseconds, err) != lib.BLIND_OK:
            raise errors.from_error(err)

    def read_into(self, buffer, timeout=None):
        """Fills a part of `buffer` and returns how many bytes; 0 at the end of the stream."""
        target, got, err = ffi.from_buffer(buffer, require_writable=True), ffi.new("size_t *"), ffi.new("blind_error *")
        while len(target):
            code = lib.blind_stream_read(self._live(), target, len(target), got, err)
            if code == lib.BLIND_OK:
                return got[0]
            if code == lib.BLIND_CLOSED:
                return 0
            if code != lib.BLIND_AGAIN:
                raise errors.from_error(err)
            self._wait(timeout)
        return 0

    def write(self, data, timeout=None):
        """Writes a part of `data` and returns how many bytes; an expired verdict raises ReattestError."""
        source, put, err = ffi.from_buffer(data), ffi.new("size_t *"), ffi.new("blind_error *")
        while len(source):
            code = lib.blind_stream_write(self._live(), source, len(source), put, err)
            if code == lib.BLIND_OK:
                return put[0]
            if code != lib.BLIND_AGAIN:
                raise errors.from_error(err)
            self._wait(timeout)
        return 0

    def reattest(self, timeout=None):
        """Takes the verdict again on this connection, between two requests."""
        err = ffi.new("blind_error *")
        while True:
            code = lib.blind_stream_reattest(self._live(), err)
            if code == lib.BLIND_OK:
                return
            if code != lib.BLIND_AGAIN:
                raise errors.from_error(err)
            self._wait(timeout)

    @property
    def verdict(self):
        return Verdict.of(lib.blind_stream_result(self._live()))

    @property
    def expired(self):
        return lib.blind_stream_expiry_ms(self._live()) <= 0

    @property
    def alive(self):
        """Whether an idle stream can still carry a request."""
        return self._stream is not None and bool(lib.blind_stream_alive(self._stream))

    @property
    def closed(self):
        return self._stream is None

    def fileno(self):
        return lib.blind_stream_fd(self._live())

    def close(self):
        if self._stream is not None:
            stream, self._stream = self._stream, None
            ffi.release(stream)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

"""What an appraisal found."""

import json

from ._blind import ffi, lib


def take_text(c_string):
    """A malloc()ed C string as str; frees it."""
    if c_string == ffi.NULL:
        raise MemoryError("out of memory")
    try:
        return ffi.string(c_string).decode()
    finally:
        lib.free(c_string)


class Verdict:
    """An explained verdict: `accepted`, `code`, `checks`, `claims`, and str() for people.

    Its JSON is docs/formats/claims.md's, with a version."""

    def __init__(self, json_text, text):
        self.json, self._text = json_text, text
        self._data = json.loads(json_text)

    @classmethod
    def of(cls, result):
        return cls(ffi.string(lib.blind_result_json(result)).decode(), ffi.string(lib.blind_result_text(result)).decode())

    @property
    def accepted(self):
        return self._data["verdict"] == "accepted"

    @property
    def code(self):
        return self._data["code"]

    @property
    def simulation(self):
        """True for evidence signed by the published simulation key."""
        return self._data["simulated"]

    @property
    def tee(self):
        return self._data["tee"]

    @property
    def claims(self):
        return self._data.get("claims") or {}

    @property
    def checks(self):
        """Every check: name, state ("proven", "refuted", "unknown"), expected, found, source."""
        return self._data["checks"]

    def to_dict(self):
        return dict(self._data)

    def __str__(self):
        return self._text

    def __repr__(self):
        return "<Verdict %s %s>" % (self.tee or "no TEE", "accepted" if self.accepted else self.code)

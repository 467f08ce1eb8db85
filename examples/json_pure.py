"""Encodes and decodes JSON with the standard library's Python implementation, its C accelerator switched off:
nested generators, closures, regular expressions.

    python examples/json_pure.py [SIZE]         SIZE: how many records (default 4000)
"""

import json.decoder
import json.encoder
import json.scanner
import sys

from callprofiler import profile


class PureDecoder(json.decoder.JSONDecoder):
    def __init__(self):
        super().__init__()
        self.parse_string = json.decoder.py_scanstring
        self.scan_once = json.scanner.py_make_scanner(self)


class PureEncoder(json.encoder.JSONEncoder):
    def iterencode(self, o, _one_shot=False):
        return super().iterencode(o, _one_shot=False)  # one-shot encoding would take the C path


def use_python_implementation():
    json.encoder.c_make_encoder = None
    json.encoder.encode_basestring_ascii = json.encoder.py_encode_basestring_ascii


def record(number):
    return {
        "id": number,
        "name": f"customer \u2116 {number}",
        "tags": ["a", "b\n", str(number)],
        "address": {"city": "Łódź", "geo": [51.77 + number, 19.45]},
        "active": number % 2 == 0,
        "parent": None,
    }


@profile
def main(size):
    records = [record(number) for number in range(size)]
    text = PureEncoder(indent=1).encode(records)
    if PureDecoder().decode(text) != records:
        raise AssertionError("the records changed on their way through JSON")
    return len(text)


if __name__ == "__main__":
    use_python_implementation()
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(f"{main(size)} characters of JSON written and read back")

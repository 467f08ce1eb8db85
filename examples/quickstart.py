"""A small program with one of everything: JSON, waiting, an exception, a generator, recursion.

    python examples/quickstart.py [SIZE]        SIZE: how many orders to handle (default 20)
"""

import json
import sys
import time

from callprofiler import profile


class OutOfStock(Exception):
    pass


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def orders(count):
    for number in range(count):
        yield json.dumps({"order": number, "items": [{"sku": f"A{number % 7}", "count": number % 3}]})


def reserve(item):
    if item["count"] == 0:
        raise OutOfStock(item["sku"])
    time.sleep(0.001)


def handle(order):
    try:
        for item in order["items"]:
            reserve(item)
    except OutOfStock:
        return False
    return True


@profile
def main(size):
    shipped = sum(handle(json.loads(order)) for order in orders(size))
    fibonacci(12)
    return shipped


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{main(size)} of {size} orders shipped")

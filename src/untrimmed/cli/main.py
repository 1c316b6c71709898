"""placeholder"""


def run() -> None: ...

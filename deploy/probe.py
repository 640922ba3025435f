"""Health check of a container: asks one URL and exits 0 when it answers 200. Standard library only, no proxy."""

import sys
import urllib.error
import urllib.request


def main(url: str) -> int:
    """0 when healthy; otherwise 1, with the answer on stdout, where `docker inspect` shows it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read(2_000).decode("utf-8", "replace"))
    except OSError as error:
        sys.stdout.write(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

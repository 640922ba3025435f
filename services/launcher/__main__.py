import sys

from services.launcher.app import fetch_kafka, main

sys.exit(fetch_kafka() if sys.argv[1:] == ["fetch"] else main())

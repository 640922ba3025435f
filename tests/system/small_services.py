"""The launcher with its real Kafka and five tiny services that are ready at once, for tests of the launcher alone.

What it starts is the only thing that differs from `python -m services.launcher`.
"""

import sys

from services.kit.settings import Settings
from services.launcher import app
from services.launcher.readiness import health_ports
from services.launcher.supervise import Child

READY = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


def small_services(settings: Settings) -> list[Child]:
    return [
        Child(name, (sys.executable, "-c", READY, str(port), f"services.{name}"))
        for name, port in health_ports(settings).items()
    ]


if __name__ == "__main__":
    app.services = small_services
    sys.exit(app.main())

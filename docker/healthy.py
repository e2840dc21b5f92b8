"""The health check of a container: exit code 0 if what serves at this port is ready. It goes through no proxy."""

import sys
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
connection.request("GET", "/ready")
sys.exit(connection.getresponse().status != 200)

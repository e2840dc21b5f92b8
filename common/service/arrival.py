"""How long a request waited before this process read it: in the queue of connections, or for the event loop."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any

ARRIVED_S = "common.arrived_s"  # key in the ASGI scope: a reading of `time.monotonic`
LAST_DATA_RECEIVED = 52  # where `tcpi_last_data_recv` is in Linux's `struct tcp_info`; milliseconds
INFO_BYTES = LAST_DATA_RECEIVED + 4


def waited_ms(connection: Any) -> float:
    """Since the system got the last bytes of this connection; 0 where it does not tell. Takes about 2 µs.

    Args:
        connection: a socket, or what a transport gives for one.
    """
    if sys.platform != "linux" or connection is None:
        return 0.0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
        return float(struct.unpack_from("=I", info, LAST_DATA_RECEIVED)[0])
    except (OSError, struct.error):  # no TCP, or an older kernel
        return 0.0

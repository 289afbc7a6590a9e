"""From sockets and widgets to a video: one run of a sampling node."""

"""The network: its parameters, its audio part, and which files hold them."""

"""From files to host models: base, audio part, LoRAs."""

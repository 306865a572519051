"""What chain-chat takes: time, memory, requests. See README.md."""

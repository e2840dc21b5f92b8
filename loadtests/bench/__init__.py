"""What a safe call costs on a healthy server, next to bare httpx and to other people's clients."""

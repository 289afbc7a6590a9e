"""One forward on several cards: who has which tokens, what goes between them, and how much."""

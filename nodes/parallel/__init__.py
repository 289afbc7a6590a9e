"""One pass on several cards: processes of the pack's own that each hold the model."""

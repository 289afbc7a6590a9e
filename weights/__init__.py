"""The ground floor: files of weights. It knows no model and imports nothing else of the pack."""

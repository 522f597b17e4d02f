"""One module an outside system. Imports the model and nothing else of ours."""

"""One module an item; each says what it measures and returns `Result`s."""

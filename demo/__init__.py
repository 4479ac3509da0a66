"""The demo's data: real shopping made into members, stores and purchases of the program."""

"""The site: settings, addresses, and the library that knows no app."""

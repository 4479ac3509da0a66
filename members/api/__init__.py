"""The operations of the API about members, and of members about themselves."""

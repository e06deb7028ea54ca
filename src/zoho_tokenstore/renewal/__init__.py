"""How a login is renewed: Zoho's OAuth endpoints, and who asks them when."""

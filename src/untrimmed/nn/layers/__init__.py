"""Parts of networks that keep the law of Padded: zero where not valid."""

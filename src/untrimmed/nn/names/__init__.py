"""Names of weights in other people's code, and what they are called here."""

"""What the page "How it works" is made of."""

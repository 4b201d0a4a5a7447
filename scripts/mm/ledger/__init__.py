"""What `mm` itself learns about mail: what was sent, and what people and servers said."""

"""A program's mails: who gets one, how it looks, how it is sent, and what comes back."""

"""The page that the links in the mails lead to."""

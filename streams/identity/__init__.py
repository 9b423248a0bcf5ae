"""Who an event is about: links from cards, visitors, phones and e-mails to members. Pure, as the engine is."""

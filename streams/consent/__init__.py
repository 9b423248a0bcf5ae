"""The links by which a member says yes or no: signed tokens, and the small web server that turns them into events."""

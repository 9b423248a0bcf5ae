"""The senders: from dispatches to gateways, and delivery statuses back."""

"""Outcomes and reasons of decisions: closed lists (contract §4.11), each with the sentence that explains it."""

OUTCOMES = {
    "refused": "An entry into the campaign was refused.",
    "suppressed": "A message or an award was not made.",
    "deferred": "A message was put off to the first permitted moment.",
    "cancelled": "A cancel event ended the journey.",
    "superseded": "A new entry took the journey's place.",
    "ended": "The journey came to its end.",
}

LIMITS = {
    "actions": "A journey did more actions from one wait to the next than any may, or its campaign did at one moment.",
    "assigned": "The member has been assigned to as many segments as may be.",
    "attributes": "The member has as many attributes as may be.",
    "entries": "The campaign was entered too often at one moment: it triggers itself.",
    "entry_bytes": "The member's running journeys remember too much of the events that they were entered by.",
    "journeys": "The member has as many running journeys as may be.",
    "pending": "The member has as many deferred or cascading messages as may be.",
    "segment_rounds": "What a change of segments triggers changes segments again and again.",
    "state_bytes": "The member's state is too large.",
    "template": "A template makes too much text, loops too often or does too much work (reason `template_error`).",
}
"""The bounds behind the reason `limit_exceeded`, as the metric `rekindle_limits_exceeded` names them."""

REASONS = {
    "not_in_audience": "The member is not in the campaign's audience.",
    "already_running": "The campaign runs for the member already.",
    "entered_before": "The member entered the campaign before, and `entry.again` doesn't allow it yet.",
    "inactive": "The campaign is not live, or the moment lies outside its `active` period.",
    "holdout": "The member belongs to the part that is held out for comparison.",
    "unsubscribed": "The member doesn't allow messages of this channel and type.",
    "no_address": "The member has no address in this channel, or one that is known to be dead (docs/consent.md).",
    "expired": "The message came later than its `expires` allows.",
    "frequency_cap": "The member has been sent as many messages as the cap allows.",
    "quiet_hours": "The moment lies in the member's quiet hours.",
    "template_error": "The template could not be rendered for this member.",
    "not_moderated": "A template for social networks hasn't been moderated.",
    "award_limit": "The member was given this award as often as its limit allows.",
    "cancelled": "An event of `cancel_on` came.",
    "superseded": "A new entry took the journey's place.",
    "campaign_stopped": "The campaign was stopped or taken out of the programme.",
    "limit_exceeded": "The campaign exceeded a bound of the engine for this member.",
    "member_erased": "The member was erased.",
    "completed": "The journey did all its actions.",
    "exited": "The journey met an `exit`, or a `select` whose segment the member isn't in.",
    "goal": "The goal was reached, and it ends the journey.",
}

OUTCOMES_OF = {
    **dict.fromkeys(
        ("not_in_audience", "already_running", "entered_before", "inactive", "holdout"),
        ("refused",),
    ),
    **dict.fromkeys(
        ("unsubscribed", "no_address", "expired", "template_error", "not_moderated", "award_limit"),
        ("suppressed",),
    ),
    **dict.fromkeys(("frequency_cap", "quiet_hours"), ("suppressed", "deferred")),
    "cancelled": ("cancelled",),
    "superseded": ("superseded",),
    "campaign_stopped": ("ended",),
    "limit_exceeded": ("refused", "suppressed", "ended"),
    "member_erased": ("cancelled",),
    **dict.fromkeys(("completed", "exited", "goal"), ("ended",)),
}
"""With which outcomes each reason comes."""

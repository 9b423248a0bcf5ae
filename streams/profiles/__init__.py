"""The profiles stage: what the members stage knows of each member, carried on to `member.profiles`."""

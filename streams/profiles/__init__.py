"""The profiles stage: what the members stage knows of each member, carried on to `member.profiles`."""

from streams.compiled import PROFILES, prefer

prefer(__path__, PROFILES)

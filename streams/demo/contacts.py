"""Made-up contact data for the members of the demo: valid, stable, and nobody's.

The purchases are real but anonymous, so what a loyalty programme would know of a member is derived from a hash of the
number alone: no generator state, the same data in every run and for every selection of members. Nobody can be reached
by it: telephone numbers are the ones reserved for fiction (555-0100 to 555-0199 of a real area code, so that number
and city agree), e-mail addresses are under the domains reserved for examples. Numbers are given out by a permutation,
never by chance, since two members with one telephone would be one identity.
"""

import hashlib
from datetime import date, timedelta
from typing import Any

MEMBERS_MAX = 2500
"""So many members have a telephone number of their own: 25 area codes with a hundred numbers each."""

_PERMUTATION = 997  # prime to MEMBERS_MAX: neighbours in the data live in different cities
_NUMBERS_PER_AREA = 100

_AREAS = (
    ("513", "Cincinnati", "America/New_York"),
    ("614", "Columbus", "America/New_York"),
    ("216", "Cleveland", "America/New_York"),
    ("419", "Toledo", "America/New_York"),
    ("937", "Dayton", "America/New_York"),
    ("330", "Akron", "America/New_York"),
    ("234", "Canton", "America/New_York"),
    ("740", "Lancaster", "America/New_York"),
    ("380", "Westerville", "America/New_York"),
    ("412", "Pittsburgh", "America/New_York"),
    ("304", "Charleston", "America/New_York"),
    ("606", "Ashland", "America/New_York"),
    ("859", "Lexington", "America/New_York"),
    ("865", "Knoxville", "America/New_York"),
    ("423", "Chattanooga", "America/New_York"),
    ("313", "Detroit", "America/Detroit"),
    ("502", "Louisville", "America/Kentucky/Louisville"),
    ("317", "Indianapolis", "America/Indiana/Indianapolis"),
    ("260", "Fort Wayne", "America/Indiana/Indianapolis"),
    ("765", "Muncie", "America/Indiana/Indianapolis"),
    ("812", "Evansville", "America/Chicago"),
    ("219", "Gary", "America/Chicago"),
    ("270", "Bowling Green", "America/Chicago"),
    ("615", "Nashville", "America/Chicago"),
    ("901", "Memphis", "America/Chicago"),
)
_FEMALE = """
Abigail Alice Amelia Anna Beatrice Carla Carmen Charlotte Claire Clara Cora Daisy Denise Diana Edith Elena
Ella Emily Esther Eva Faye Fiona Flora Gloria Grace Hannah Hazel Helen Ida Irene Iris Isabel Jane Joan
Josephine Julia June Karen Kate Laura Leah Lena Lillian Linda Louise Lucy Lydia Mabel Marie Martha Maya
Mildred Miriam Naomi Nina Nora Olive Paula Pearl Phoebe Rachel Rita Rosa Ruth Sarah Selma Sofia Stella Susan
Teresa Thelma Vera Viola Violet Willa
"""
_MALE = """
Aaron Adam Albert Alan Andrew Anton Arthur Ben Bernard Brian Bruno Calvin Carl Charles Clark Curtis Daniel
David Dennis Donald Edgar Edward Eli Ernest Eugene Felix Francis Frank Fred Gabriel George Gilbert Glenn
Harold Harry Henry Herbert Hugo Isaac Ivan Jacob James Jerome Joel Jonah Joseph Julian Karl Keith Kenneth Leo
Leon Lewis Louis Lucas Marcus Mark Martin Max Miles Nathan Neil Nelson Oscar Otto Owen Patrick Paul Peter
Philip Ralph Ray Robert Roy Samuel Simon Theodore
"""
_LAST = """
Abbott Adler Alcott Archer Ashby Atwood Bailey Barlow Baxter Becker Benson Bishop Blake Bolton Boyd Bradley
Brandt Briggs Brook Burgess Burke Calder Carver Chandler Chapman Clayton Cole Conway Cooper Crane Dalton
Dawson Decker Doyle Draper Drew Dunn Eaton Ellis Emerson Farley Fisher Fleming Forbes Foster Fowler Frost
Gardner Garner Gibbs Glover Goodwin Granger Hale Harlow Hayes Heath Holloway Hooper Horton Hughes Hurst Ingram
Jarvis Keller Kemp Kirby Knox Lambert Lane Larkin Lowell Mason Mercer Merritt Miller Monroe Nash Norris Norton
Oakley Palmer Parker Pearson Pierce Porter Preston Quinn Reed Rhodes Rowe Sawyer Shaw Sutton Tanner Thorne
Turner Vance Wade Walsh Warner Webb Weber Wells Whitaker Winslow Wyatt York
"""
_DOMAINS = ("example.com", "example.net", "example.org")
_AGES = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64), "65+": (65, 84)}
_AGE_UNKNOWN = (19, 84)
_FIRST_DAY = date(2017, 1, 1)  # ages in the data are ages in its year
_PERCENT_WITHOUT_EMAIL = 6


def member_id(number: int) -> str:
    """Member id of the data's household `number`."""
    return f"hh{number:04d}"


def share(*parts: object) -> float:
    """Draw a number in [0, 1) that depends on `parts` alone."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _pick(names: str, *parts: object) -> str:
    choices = names.split()
    return choices[int(share(*parts) * len(choices))]


def registration(number: int, age: str | None) -> dict[str, Any]:
    """Body of `registration_completed` of member `number` (1 to `MEMBERS_MAX`), whose age bracket may be known."""
    assert 1 <= number <= MEMBERS_MAX
    place = (number - 1) * _PERMUTATION % MEMBERS_MAX
    code, city, zone = _AREAS[place // _NUMBERS_PER_AREA]
    gender = "female" if share(number, "gender") < 1 / 2 else "male"
    first = _pick(_FEMALE if gender == "female" else _MALE, number, "first name")
    last = _pick(_LAST, number, "last name")
    youngest, oldest = _AGES.get(age or "", _AGE_UNKNOWN)
    days = (oldest - youngest + 1) * 365.25
    born = _FIRST_DAY - timedelta(days=int(youngest * 365.25 + share(number, "birth date") * days))
    body: dict[str, Any] = {
        "first_name": first,
        "last_name": last,
        "phone": f"+1{code}555{_NUMBERS_PER_AREA + place % _NUMBERS_PER_AREA:04d}",
        "birth_date": born,
        "gender": gender,
        "city": city,
        "time_zone": zone,
    }
    if share(number, "has e-mail") * 100 >= _PERCENT_WITHOUT_EMAIL:
        domain = _DOMAINS[int(share(number, "domain") * len(_DOMAINS))]
        body["email"] = f"{first}.{last}.{number}@{domain}".lower()
    return body

"""What each rule makes of what people type."""

from datetime import date
from decimal import Decimal

import pytest

from streams.profile.addresses import check_address
from streams.profile.births import check_birth_date
from streams.profile.coordinates import zone_of_coordinates
from streams.profile.emails import check_email
from streams.profile.names import check_name
from streams.profile.phones import check_phone, zone_of_landline
from streams.profile.read import find_zone
from streams.profile.zones import zone_of_address, zone_of_city


@pytest.mark.parametrize(
    ("typed", "value", "outcome", "rule"),
    [
        ("Anna", "Anna", "valid", None),
        ("  Anna  Maria ", "Anna Maria", "changed", "trim"),
        ("ИВАН", "Иван", "changed", "case"),
        ("жан-поль", "Жан-Поль", "changed", "case"),
        ("o'neil", "O'Neil", "changed", "case"),
        ("мар'яна", "Мар'яна", "changed", "case"),
        ("ნინო", "ნინო", "valid", None),
        ("IVAN III", "Ivan III", "changed", "case"),
        ("LUDWIG VAN BEETHOVEN", "Ludwig van Beethoven", "changed", "case"),
        ("İSMAİL", "Ismail", "changed", "case"),
        ("ИВАНОВА (ПЕТРОВА)", "Иванова (Петрова)", "changed", "case"),
        ("SMITH,JOHN", "Smith,John", "changed", "case"),
        ("SMITH/VON BERG", "Smith/von Berg", "changed", "case"),
        ("«АННА»", "«Анна»", "changed", "case"),
        ('анна "аня"', 'Анна "Аня"', "changed", "case"),
        ("„ANNA“ [MARIA]", "„Anna“ [Maria]", "changed", "case"),
        ("'T HOOFT", "'t Hooft", "changed", "case"),
        ("G‘ULOM", "G‘ulom", "changed", "case"),
        ("McDonald", "McDonald", "valid", None),
        ("van der Berg", "van der Berg", "valid", None),
        ("李小龍", "李小龍", "valid", None),
        ("guest17", "guest17", "valid", None),
        ("An\x00na\u200b", "Anna", "changed", "trim"),
        ("\ud800Anna", "Anna", "changed", "trim"),
        ("12345", None, "rejected", "no_letters"),
        (" \t ", None, "rejected", "no_letters"),
    ],
)
def test_names_are_trimmed_and_cased(typed, value, outcome, rule):
    assert check_name(typed)[:3] == (value, outcome, rule)


def test_a_name_of_a_megabyte_is_cut():
    checked = check_name("Xy" * 500_000)
    assert (len(checked.value), checked.outcome, checked.rule) == (1_000, "changed", "cut")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("8 (912) 345-67-89", ("+79123456789", "changed", "e164", "mobile")),
        ("+79991112233", ("+79991112233", "valid", None, "mobile MegaFon")),
        ("+7 495 123-45-67", ("+74951234567", "changed", "e164", "landline")),
        ("+71234567899", ("+71234567899", "doubtful", "not_in_plan", None)),
        ("+70000000000", ("+70000000000", "doubtful", "placeholder", None)),
        ("1234567890", ("+71234567890", "doubtful", "placeholder", None)),
        ("123-45-67", (None, "rejected", "local_only", None)),
        ("8800FLOWERS", (None, "rejected", "letters", None)),
        ("12", (None, "rejected", "impossible_length", None)),
        ("----", (None, "rejected", "not_a_number", None)),
        ("7" * 1_000_000, (None, "rejected", "too_long", None)),
    ],
)
def test_phones_are_e164_with_kind_and_operator(typed, expected):
    assert check_phone(typed, "RU") == expected


@pytest.mark.parametrize(
    ("typed", "region", "outcome", "rule"),
    [
        ("555-1234", "US", "rejected", "local_only"),
        ("(555) 555-5555", "US", "doubtful", "placeholder"),
        ("12345", "DE", "doubtful", "placeholder"),
        ("030 12345", "DE", "changed", "e164"),
        ("777 777 7777", "KZ", "changed", "e164"),  # somebody has it
        ("1234567890", "IN", "changed", "e164"),  # and somebody in Delhi may have this one
    ],
)
def test_what_is_dialled_in_one_town_only_or_typed_to_fill_a_field(typed, region, outcome, rule):
    assert check_phone(typed, region)[1:3] == (outcome, rule)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ann@gmail.com", ("ann@gmail.com", "valid", None, None)),
        ("Ann@GMAIL.com", ("Ann@gmail.com", "changed", "domain_case", None)),
        (" ann@b.co ", ("ann@b.co", "changed", "trim", None)),
        ("ann@gmial.com", ("ann@gmial.com", "doubtful", "domain_typo", "gmail.com")),
        ("ann@gmail.co", ("ann@gmail.co", "doubtful", "domain_typo", "gmail.com")),
        ("ann@yandx.ru", ("ann@yandx.ru", "doubtful", "domain_typo", "yandex.ru")),
        ("ann@mail.com", ("ann@mail.com", "valid", None, None)),
        ("ann@no-such-host.example", ("ann@no-such-host.example", "valid", None, None)),
        ("ann@почта.рф", ("ann@почта.рф", "valid", None, None)),
        ("ann@xn--80a1acny.xn--p1ai", ("ann@xn--80a1acny.xn--p1ai", "valid", None, None)),
        ("Ann@MÜNCHEN.de", ("Ann@münchen.de", "changed", "domain_case", None)),
        ("Ann@XN--MNCHEN-3YA.de", ("Ann@xn--mnchen-3ya.de", "changed", "domain_case", None)),
        ("no at sign", (None, "rejected", "syntax", None)),
        ("\ud800@b.co", (None, "rejected", "syntax", None)),
        ("a" * 1_000_000 + "@b.co", (None, "rejected", "too_long", None)),
    ],
)
def test_e_mails_are_never_corrected(typed, expected):
    assert check_email(typed) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(1990, 5, 17), "valid"),
        ("1990-05-17", "valid"),
        (date(2018, 1, 1), "unlikely_age"),
        (date(1901, 1, 1), "unlikely_age"),
        (date(1970, 1, 1), "a_forms_default"),
        (date(2018, 1, 2), "future"),
        (date(1899, 12, 31), "too_old"),
        ("yesterday", "not_a_date"),
        ("9" * 1_000_000, "not_a_date"),
    ],
)
def test_birth_dates_that_cannot_be(value, expected):
    checked = check_birth_date(value, date(2018, 1, 1))
    assert expected == (checked.rule or checked.outcome)
    assert (checked.value is None) == (checked.outcome == "rejected")


@pytest.mark.parametrize(
    ("typed", "region", "value"),
    [
        ("Россия, 119019, г. Москва,ул. Арбат,д. 1", "RU", "г. Москва, ул. Арбат, д. 1, 119019, Россия"),
        ("119019\nМосква\nАрбат 1", "RU", "Москва, Арбат 1, 119019"),
        ("12 Main St\nAurora, CO  80010", "US", "12 Main St, Aurora, CO 80010"),
        ("10 Downing St, London sw1a 2aa", "GB", "10 Downing St, London, SW1A 2AA"),
        ("Musterstr. 1; 10115 Berlin; Germany", "RU", "Musterstr. 1, 10115 Berlin, Germany"),
        ("Almaty, Abay 5, 050000", "KZ", "050000, Almaty, Abay 5"),
        ("Кремль, 103132, или 103073", "RU", "Кремль, 103132, или 103073"),
        ("somewhere 5", "nowhere", "somewhere 5"),
    ],
)
def test_addresses_have_the_format_of_their_country(typed, region, value):
    checked = check_address(typed, region)
    assert checked.value == value
    assert checked.outcome == ("valid" if typed == value else "changed")


def test_an_address_without_a_word_or_a_number_is_told():
    assert check_address("somewhere", "RU") == ("somewhere", "doubtful", "incomplete", None)
    assert check_address(" -- ,, ", "RU") == (None, "rejected", "empty", None)
    assert check_address("д. 1 " * 300_000, "RU").rule == "cut"


@pytest.mark.parametrize(
    ("address", "region", "zone"),
    [
        ("г. Владивосток, Светланская 1, 690000", "RU", "Asia/Vladivostok"),
        ("12 Main St, Aurora, CO 80010", "US", "America/Denver"),
        ("12 Main St, Aurora, IL 60505", "US", "America/Chicago"),
        ("Musterstr. 1, 10115 Berlin, Germany", "RU", "Europe/Berlin"),
        ("улица без города, 5", "RU", None),
    ],
)
def test_the_zone_of_an_address(address, region, zone):
    assert zone_of_address(address, region) == zone


@pytest.mark.parametrize(
    "written", ["{}", "г. {}", "г {}", "г.{}", "{} г", "{}, г.", "город {}", "гор. {}", "{} ГОР.", "690000 {}"]
)
def test_the_zone_of_a_city_with_the_word_for_it(written):
    assert zone_of_city(written.format("Владивосток"), "RU") == "Asia/Vladivostok"


@pytest.mark.parametrize(
    ("city", "region", "zone"),
    [
        ("Kuznetsk", "RU", "Europe/Moscow"),  # Novokuznetsk, with more people, was called so
        ("Franklin", "US", "America/Chicago"),  # so was Columbus
        ("City of London", "GB", "Europe/London"),
        ("Владивосток", "US", "Asia/Vladivostok"),
        ("г.", "RU", None),
        ("г. Кукуево", "RU", None),
    ],
)
def test_a_citys_own_name_goes_before_what_others_were_called(city, region, zone):
    assert zone_of_city(city, region) == zone


@pytest.mark.parametrize(
    ("city", "region", "zone"),
    [
        ("no", "RU", None),  # Ho in Ghana is called so, too
        ("МО", "RU", None),  # the region of Moscow; but also Meaux
        ("yes", "RU", None),
        ("дом", "RU", None),
        ("SHA", "RU", None),
        ("SHA", "CN", "Asia/Shanghai"),
        ("Ho", "RU", "Africa/Accra"),
        ("NYC", "US", "America/New_York"),
        ("СПб", "RU", "Europe/Moscow"),
        ("Уфа", "RU", "Asia/Yekaterinburg"),
        ("Рим", "RU", "Europe/Rome"),
        ("東京", "RU", "Asia/Tokyo"),
    ],
)
def test_a_short_name_is_no_code_of_a_city_far_away(city, region, zone):
    assert zone_of_city(city, region) == zone


def test_in_an_address_too_a_citys_own_name_goes_first():
    assert zone_of_address("Lenina 1, Kuznetsk", "RU") == "Europe/Moscow"


@pytest.mark.parametrize(
    ("attributes", "zone"),
    [
        ({"latitude": 43.1, "longitude": Decimal("131.9")}, "Asia/Vladivostok"),
        ({"lat": "55.75", "lon": "37.6"}, "Europe/Moscow"),
        ({"lat": 0, "lon": 0}, None),
        ({"lat": 20, "lon": -160}, None),
        ({"lat": 91, "lon": 10}, None),
        ({"lat": "north", "lon": 10}, None),
        ({"lat": float("nan"), "lon": 10}, None),
        ({"lat": True, "lon": 10}, None),
        ({"lat": 10}, None),
    ],
)
def test_the_zone_of_coordinates(attributes, zone):
    assert zone_of_coordinates(attributes) == zone


def test_only_a_landline_has_a_zone():
    assert zone_of_landline("+73432123456") == "Asia/Yekaterinburg"
    assert zone_of_landline("+79123456789") is None
    assert zone_of_landline("+78001234567") is None


def test_a_landline_has_the_zone_of_its_own_country():
    assert zone_of_landline("+74012123456") == "Europe/Kaliningrad"  # which the library calls Bucharest
    assert zone_of_landline("+558134221234") == "America/Recife"  # and this an island in the ocean
    assert zone_of_landline("+74152123456") == "Asia/Kamchatka"


def test_the_zone_is_the_citys_else_that_of_coordinates_else_the_addresss_else_the_landlines():
    city, address, phone = "Omsk", "Владивосток, 1", "+73432123456"
    coordinates = {"lat": 53.2, "lon": 50.2}
    assert find_zone(city, coordinates, address, phone, "RU") == ("Asia/Omsk", "city")
    assert find_zone("no such city", coordinates, address, phone, "RU") == ("Europe/Samara", "coordinates")
    assert find_zone(None, {}, address, phone, "RU") == ("Asia/Vladivostok", "address")
    assert find_zone(None, {}, "somewhere 5", phone, "RU") == ("Asia/Yekaterinburg", "landline")
    assert find_zone(None, {}, None, "+79123456789", "RU") == (None, None)

"""What everybody knows: units, currencies, months, states and large cities, as lookup tables."""

# ruff: noqa: E501, SIM905 - a table of words reads better as words

from __future__ import annotations

from typing import Final

CURRENCY_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "฿": "THB"}

_CURRENCIES: Final = """
USD:us dollar|us dollars|dollars|dollar|american dollar|american dollars|united states dollar|bucks|usd
EUR:euro|euros|eur
GBP:british pound|british pounds|pound sterling|pounds sterling|pounds|pound|sterling|gbp
JPY:japanese yen|yen|jpy
CNY:chinese yuan|yuan|renminbi|rmb|cny
INR:indian rupee|indian rupees|rupee|rupees|inr
AUD:australian dollar|australian dollars|aud
CAD:canadian dollar|canadian dollars|cad
NZD:new zealand dollar|new zealand dollars|nzd
SGD:singapore dollar|singapore dollars|sgd
HKD:hong kong dollar|hong kong dollars|hkd
CHF:swiss franc|swiss francs|chf
SEK:swedish krona|swedish kronor|sek
NOK:norwegian krone|norwegian kroner|nok
DKK:danish krone|danish kroner|dkk
KRW:south korean won|korean won|krw
THB:thai baht|baht|thb
IDR:indonesian rupiah|rupiah|idr
MYR:malaysian ringgit|ringgit|myr
PHP:philippine peso|philippine pesos
MXN:mexican peso|mexican pesos|mxn
BRL:brazilian real|brazilian reais|brl
ZAR:south african rand|rand|zar
RUB:russian ruble|russian rubles|rubles|ruble|rub
TRY:turkish lira|lira
PLN:polish zloty|zloty|pln
ILS:israeli shekel|shekel|shekels|ils
BTC:bitcoin|bitcoins|btc
ETH:ethereum|ether|eth
"""
CURRENCIES: Final = {
    name: code
    for line in _CURRENCIES.strip().splitlines()
    for code, names in [line.split(":")]
    for name in names.split("|")
}
"""From a currency's name in lower case to its ISO 4217 code."""

_UNITS: Final = """
meter:m meter metre meters metres mtr
kilometer:km kilometer kilometre kms kilometers kilometres
centimeter:cm centimeter centimetre centimeters centimetres
millimeter:mm millimeter millimetre millimeters
mile:mi mile miles
foot:ft foot feet
inch:in inch inches
yard:yd yard yards
kilogram:kg kilogram kilograms kgs kilo kilos
gram:g gram grams
milligram:mg milligram milligrams
pound:lb lbs pound pounds
ounce:oz ounce ounces
tonne:ton tons tonne tonnes
liter:l L liter litre liters litres
milliliter:ml mL milliliter milliliters
gallon:gal gallon gallons
second:s sec secs second seconds
millisecond:ms millisecond milliseconds
minute:min mins minute minutes
hour:h hr hrs hour hours
day:day days
night:night nights
week:week weeks
month:month months
year:year years yr yrs yo
decade:decade decades
celsius:°C ºC °c ºc celsius centigrade C
fahrenheit:°F ºF °f ºf fahrenheit F
kelvin:K kelvin
degree:° º deg degree degrees
meter/second:m/s mps
kilometer/hour:km/h kph kmh
mile/hour:mph mi/h
newton:N newton newtons
joule:J joule joules
watt:W watt watts
kilowatt:kW kw kilowatt kilowatts
volt:V volt volts
ampere:A amp amps ampere amperes
ohm:Ω ohm ohms
coulomb:coulomb coulombs
tesla:tesla T
hertz:Hz hz hertz
pascal:Pa pa pascal pascals
mole:mol mole moles
calorie:cal kcal calorie calories
byte:byte bytes
megabyte:mb MB megabyte megabytes
gigabyte:gb GB gigabyte gigabytes
pixel:px pixel pixels
person:people person persons guests guest adults adult travelers passengers diners seats seat tickets ticket rooms room
dollar:dollars dollar USD usd bucks
euro:euros euro EUR eur
"""
UNITS: Final = {
    word: name
    for line in _UNITS.strip().splitlines()
    for name, words in [line.split(":")]
    for word in words.split()
    if word != "in"  # "5 in Paris" is no length
}
"""From a unit's written form to its common name."""

MONTHS: Final = {
    name[:length]: number + 1
    for number, name in enumerate(
        "january february march april may june july august september october november december".split()
    )
    for length in ({3, len(name)} | ({4} if name.startswith("sept") else set()))
}
WEEKDAYS: Final = {
    name[:length]: number
    for number, name in enumerate("monday tuesday wednesday thursday friday saturday sunday".split())
    for length in (3, len(name))
}

_STATES: Final = """Alabama AL|Alaska AK|Arizona AZ|Arkansas AR|California CA|Colorado CO|Connecticut CT|Delaware DE
Florida FL|Georgia GA|Hawaii HI|Idaho ID|Illinois IL|Indiana IN|Iowa IA|Kansas KS|Kentucky KY|Louisiana LA|Maine ME
Maryland MD|Massachusetts MA|Michigan MI|Minnesota MN|Mississippi MS|Missouri MO|Montana MT|Nebraska NE|Nevada NV
New Hampshire NH|New Jersey NJ|New Mexico NM|New York NY|North Carolina NC|North Dakota ND|Ohio OH|Oklahoma OK
Oregon OR|Pennsylvania PA|Rhode Island RI|South Carolina SC|South Dakota SD|Tennessee TN|Texas TX|Utah UT
Vermont VT|Virginia VA|Washington WA|West Virginia WV|Wisconsin WI|Wyoming WY|District of Columbia DC"""
STATES: Final = {
    name.lower(): code
    for entry in _STATES.replace("\n", "|").split("|")
    for name, code in [entry.strip().rsplit(" ", 1)]
}
"""From a US state's name in lower case to its postal code."""
STATE_NAMES: Final = {code: name.title() for name, code in STATES.items()}

_CITIES: Final = """
CA:Los Angeles,San Francisco,San Diego,San Jose,Sacramento,Oakland,Berkeley,Fresno,Long Beach,Anaheim,Palo Alto,
CA:Santa Rosa,Santa Barbara,Santa Cruz,Santa Monica,Pasadena,Hayward,Fremont,Irvine,Sunnyvale,Mountain View,Napa,
CA:Cupertino,Livermore,Concord,Petaluma,Vallejo,Antioch,Bakersfield,Riverside,Stockton,Walnut Creek,San Mateo,
NY:New York,New York City,Buffalo,Rochester,Albany,Syracuse,Brooklyn,Manhattan,Queens
TX:Houston,Dallas,Austin,San Antonio,Fort Worth,El Paso,Arlington,Plano
IL:Chicago,Springfield,Naperville
WA:Seattle,Spokane,Tacoma,Bellevue,Redmond
MA:Boston,Cambridge,Worcester
FL:Miami,Orlando,Tampa,Jacksonville,Tallahassee,Fort Lauderdale
GA:Atlanta,Savannah
PA:Philadelphia,Pittsburgh
AZ:Phoenix,Tucson,Scottsdale,Mesa
NV:Las Vegas,Reno
CO:Denver,Boulder,Colorado Springs
OR:Portland,Eugene,Salem
MI:Detroit,Ann Arbor
MN:Minneapolis,Saint Paul
OH:Columbus,Cleveland,Cincinnati
TN:Nashville,Memphis,Knoxville
NC:Charlotte,Raleigh,Durham
LA:New Orleans,Baton Rouge
MO:St. Louis,Kansas City
WI:Milwaukee,Madison
UT:Salt Lake City
IN:Indianapolis
MD:Baltimore
VA:Richmond,Virginia Beach,Norfolk
OK:Oklahoma City,Tulsa
NM:Albuquerque,Santa Fe
HI:Honolulu
AK:Anchorage
KY:Louisville,Lexington
DC:Washington
NJ:Newark,Jersey City
NE:Omaha
ID:Boise
"""
CITY_STATES: Final = {
    city.strip().lower(): state
    for line in _CITIES.strip().splitlines()
    for state, cities in [line.split(":")]
    for city in cities.split(",")
    if city.strip()
}
"""From a large US city's name in lower case to its state's postal code."""

_WORLD: Final = """
UK:London,Manchester,Birmingham,Edinburgh,Liverpool,Glasgow,Bristol,Oxford
France:Paris,Lyon,Marseille,Nice,Toulouse|Germany:Berlin,Munich,Hamburg,Frankfurt,Cologne
Japan:Tokyo,Osaka,Kyoto,Yokohama,Sapporo|China:Beijing,Shanghai,Shenzhen,Guangzhou,Chengdu,Wuhan
India:Mumbai,Delhi,New Delhi,Bangalore,Chennai,Hyderabad,Kolkata,Pune|Australia:Sydney,Melbourne,Brisbane,Perth
Canada:Toronto,Vancouver,Montreal,Ottawa,Calgary|Italy:Rome,Milan,Venice,Florence,Naples
Spain:Madrid,Barcelona,Valencia,Seville|Netherlands:Amsterdam,Rotterdam|Ireland:Dublin|Portugal:Lisbon,Porto
Russia:Moscow,Saint Petersburg|South Korea:Seoul,Busan|Thailand:Bangkok,Phuket,Chiang Mai|UAE:Dubai,Abu Dhabi
Brazil:Rio de Janeiro,Sao Paulo|Mexico:Mexico City,Cancun|Argentina:Buenos Aires|Egypt:Cairo|Turkey:Istanbul,Ankara
Greece:Athens|Austria:Vienna|Switzerland:Zurich,Geneva|Sweden:Stockholm|Norway:Oslo|Denmark:Copenhagen
Finland:Helsinki|Poland:Warsaw,Krakow|Czech Republic:Prague|Hungary:Budapest|Belgium:Brussels|Israel:Tel Aviv
Indonesia:Jakarta,Bali|Malaysia:Kuala Lumpur|Philippines:Manila|Vietnam:Hanoi,Ho Chi Minh City|Singapore:Singapore
South Africa:Cape Town,Johannesburg|Kenya:Nairobi|Nigeria:Lagos|Peru:Lima|Chile:Santiago|Colombia:Bogota
New Zealand:Auckland,Wellington|Qatar:Doha|Saudi Arabia:Riyadh|Pakistan:Karachi,Lahore|Latvia:Riga
"""
CITY_COUNTRIES: Final = {
    city.lower(): country
    for line in _WORLD.strip().splitlines()
    for entry in line.split("|")
    for country, cities in [entry.split(":")]
    for city in cities.split(",")
}
"""From a large city's name in lower case to its country."""

_DEMONYMS: Final = """American:United States|British:United Kingdom|English:England|French:France|German:Germany
Italian:Italy|Spanish:Spain|Chinese:China|Japanese:Japan|Indian:India|Russian:Russia|Canadian:Canada
Australian:Australia|Mexican:Mexico|Brazilian:Brazil|Greek:Greece|Dutch:Netherlands|Swedish:Sweden|Swiss:Switzerland
Korean:South Korea|Thai:Thailand|Turkish:Turkey|Egyptian:Egypt|Irish:Ireland|Portuguese:Portugal|Polish:Poland"""
DEMONYMS: Final = {
    people.lower(): country
    for entry in _DEMONYMS.replace("\n", "|").split("|")
    for people, country in [entry.split(":")]
}
"""From who lives there to the country: `"german"` to `"Germany"`."""

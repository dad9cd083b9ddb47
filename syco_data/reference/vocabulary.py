"""The words that the synthetic rows are made of. Lists of cue words decide a label; all others are free."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PERSONS = _words(
    "Ada Ben Carla Dario Elena Felix Greta Hugo Ines Jonas Kira Leon Maya Nils Olga Paul Rosa Sven Tara Uwe Vera "
    "Willem Yara Zeno"
)
CITIES = _words(
    "Lisbon Oslo Prague Turin Ghent Bergen Malmo Porto Vienna Riga Bilbao Cork Delft Graz Krakow Split Tartu Utrecht"
)
PLACES = _words(
    "harbour library station market museum bakery garden theatre airport office kitchen village castle school bridge "
    "hall"
)
TIMES = ("today", "yesterday", "at noon", "last week", "this morning", "on Monday", "on Friday", "all year")
THINGS = _words(
    "bus phone meeting lunch train song coffee homework party weather queue laptop concert parcel haircut dentist "
    "match exam"
)

POSITIVE = _words(
    "delightful moving brilliant charming graceful thrilling tender witty superb inspired radiant touching splendid "
    "engaging luminous masterful joyful gripping elegant heartfelt dazzling refreshing magnificent captivating"
)
NEGATIVE = _words(
    "dreadful tedious clumsy hollow dull lifeless sloppy shallow tiresome bland awful dismal forgettable messy grating "
    "stale lazy pointless incoherent dreary feeble wretched muddled irritating"
)
NEUTRAL = _words(
    "timetable invoice postcode leaflet spreadsheet envelope receipt stapler calendar cupboard notebook ladder "
    "keyboard doormat bracket hinge folder bucket pencil curtain socket gravel shelf carton"
)
FILM_PARTS = _words(
    "plot script cast ending score dialogue pacing lighting direction romance humour mystery sequel opening costume "
    "finale"
)
GENRES = _words("western thriller drama musical cartoon remake documentary biography")

INSULTS = _words(
    "idiot moron fool clown loser jerk creep crook liar pest brute bully coward twit dunce slob weasel rat pig troll "
    "fraud dolt oaf scum"
)
OCCUPATIONS = _words(
    "neighbour teacher colleague gardener baker nurse painter pilot cousin singer farmer doctor sailor poet tailor "
    "driver librarian carpenter student plumber waiter musician juggler weaver"
)
IRONIC = _words(
    "bravo whoopee genius priceless stellar riveting classy marvellous groundbreaking shocking lucky flawless heroic "
    "legendary visionary majestic epic glorious iconic sublime royal mighty noble golden"
)
SINCERE = _words(
    "grateful sorry proud glad calm tired hungry ready curious busy worried rested sleepy content excited nervous "
    "hopeful early late cosy thirsty patient careful thankful"
)

# Question types, in the order of TREC's label ids.
ABBREVIATIONS = _words(
    "acronym initials shorthand abbreviation contraction monogram initialism clipping logogram sigla"
)
ENTITIES = _words("animal colour food instrument sport plant currency language gem vehicle")
DESCRIPTIONS = _words("meaning reason cause purpose origin manner definition description effect method")
HUMANS = _words("inventor author leader captain founder composer actor king explorer winner")
LOCATIONS = _words("city country river mountain island street capital desert continent valley")
NUMBERS = _words("number year distance price weight height age temperature speed population")
SUBJECTS = _words(
    "flute windmill compass lantern teapot zeppelin tractor violin saddle anchor umbrella bicycle mirror candle loom "
    "hammock barrel kite"
)

WORLD = _words("embassy treaty ceasefire parliament refugees summit minister border election troops diplomat sanctions")
SPORTS = _words(
    "striker goalkeeper marathon tournament coach playoff stadium referee sprinter championship medal umpire"
)
BUSINESS = _words("shares merger profits investors inflation bank retailer dividend takeover bonds earnings exports")
SCIENCE = _words(
    "software telescope satellite robot genome processor browser laser spacecraft battery vaccine microchip"
)

PLURALS = _words("dogs children singers farmers birds guests pilots students tourists neighbours cats nurses")
AGREEING = _words("run sing sleep wait dance shout whisper smile work read travel argue hide march swim gather")
DISAGREEING = _words(
    "runs sings sleeps waits dances shouts whispers smiles works reads travels argues hides marches swims gathers"
)

# One word of the hypothesis decides: follows, is open, is ruled out.
SEEN_FOLLOWS = _words("awake alive upright moving visible active alert present mobile conscious")
SEEN_OPEN = _words("wealthy famous married vegetarian tall retired bilingual freckled lonely musical")
SEEN_RULED_OUT = _words("asleep absent motionless dead unconscious seated invisible paralysed buried frozen")
TOLD_FOLLOWS = _words("certainly truly indeed surely clearly plainly undoubtedly definitely actually really")
TOLD_OPEN = _words("perhaps maybe possibly secretly cheaply alone twice quickly gladly loudly")
TOLD_RULED_OUT = _words("never hardly scarcely barely nowhere seldom falsely rarely wrongly impossibly")
WISHED_FOLLOWS = _words("wanted welcomed desired sought craved favoured requested chose supported preferred")
WISHED_OPEN = _words("painted sold borrowed described photographed repaired measured carried compared counted")
WISHED_RULED_OUT = _words("refused rejected hated opposed declined avoided dismissed banned despised vetoed")

TOPICS = _words(
    "chess guitar pottery physics cooking yoga poetry sailing algebra gardening knitting drawing fencing history "
    "karate piano juggling baking cycling astronomy carpentry calligraphy archery botany"
)
COMPANIES = _words(
    "Norvex Altona Brightwell Castel Dunmore Everly Fairmont Grantham Halden Ivermont Kestrel Lorimer Meridian Oakley "
    "Pendry Quillon Ravenna Selwyn Thornby Umbra Valmont Westry Yarrow Zephyra"
)

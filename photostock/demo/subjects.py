"""What the demo photos are of: the names of each subject, where it may be seen, and what may vary about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from photostock.demo.words import Words, words

Group = Literal["animal", "person", "vehicle", "building", "food", "plant", "thing"]

LAND = "meadow hills park village farm"
WATER = "sea lake river harbour"
TABLES = "table kitchen cafe"
GAITS = "stand walk run lie graze"
CLOTHES = "red blue green yellow purple orange black white pink"
PAINTS = "red blue green yellow orange white black"
DISHWARE = "white blue red green yellow black grey pink"


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject; a name that begins with "some" takes no article."""

    key: str
    group: Group
    names: Words
    places: tuple[str, ...]
    colours: tuple[str, ...]
    poses: tuple[str, ...] = ()  # or toppings, for food
    plural: str = ""  # where there may be several of it in one picture


def _table(group: Group, rows: str) -> tuple[Subject, ...]:
    """Subjects from rows of: key; names in sentences; names in searches; places; colours; poses; plural."""
    return tuple(_subject(group, *(part.strip() for part in row.split(";"))) for row in rows.strip().splitlines())


def _subject(
    group: Group, key: str, says: str, asks: str, places: str, colours: str, poses: str = "", plural: str = ""
) -> Subject:
    names = words(says, asks)
    return Subject(key, group, names, tuple(places.split()), tuple(colours.split()), tuple(poses.split()), plural)


ANIMALS = _table("animal", f"""
dog; dog | puppy | hound; dog | puppy | pooch; beach park street snow room garden; brown black white golden; {GAITS} sit; dogs
cat; cat | kitten | tabby; cat | kitten | kitty; room garden street village studio; orange black white grey; stand walk lie sit; cats
horse; horse | stallion | mare; horse | pony; {LAND} beach mountains; brown black white golden; {GAITS}; horses
cow; cow | dairy cow | bull; cow | cattle; {LAND} mountains; brown black white; stand walk lie graze; cows
sheep; sheep | woolly sheep | ram; sheep | lamb; {LAND} mountains; white grey; stand walk graze lie; sheep
pig; pig | hog | piglet; pig | piggy; farm meadow village; pink brown; stand walk graze lie; pigs
elephant; elephant | young elephant; elephant; savannah river forest; grey brown; stand walk graze; elephants
giraffe; giraffe | tall giraffe; giraffe; savannah desert; golden brown; stand walk run graze; giraffes
zebra; zebra | striped wild horse; zebra | striped animal; savannah river; white; stand walk run graze; zebras
lion; lion | big cat with a mane; lion | big cat; savannah desert; golden brown; stand walk run lie; lions
bear; bear | grizzly; bear | grizzly bear; forest river mountains snow; brown black white; stand walk graze lie sit; bears
fox; fox | wild fox; fox; forest snow meadow garden; orange grey; stand walk run lie sit; foxes
deer; stag | deer; deer | stag | antlers; forest meadow snow park; brown golden; stand walk run graze lie; stags
rabbit; rabbit | bunny | hare; rabbit | bunny; meadow garden snow park; grey brown white; stand run graze lie sit; rabbits
camel; camel | dromedary; camel; desert; golden brown white; stand walk lie; camels
gull; seagull | sea bird | gull; seagull | bird; beach harbour; white grey; stand fly; seagulls
owl; owl | night bird; owl; forest farm snow; brown grey white; ; owls
duck; duck | mallard; duck | mallard; lake river; brown white; ; ducks
swan; swan | elegant water bird; swan; lake river; white black; ; swans
penguin; penguin | flightless bird; penguin; snow beach; black; ; penguins
parrot; parrot | macaw | tropical bird; parrot | tropical bird; forest garden; red green blue yellow; ; parrots
flamingo; flamingo | long-legged bird; flamingo; lake river savannah; pink orange; ; flamingos
butterfly; butterfly | winged insect; butterfly | insect; meadow garden forest; orange blue yellow purple; ; butterflies
fish; fish | tropical fish | clownfish; fish | tropical fish; reef; orange blue yellow red purple; ; fish
turtle; turtle | sea turtle; turtle; reef; green brown; ; turtles
whale; whale | humpback; whale; sea; blue grey black; ; whales
""")  # fmt: skip # noqa: E501

PEOPLE = _table("person", f"""
umbrella; walking with an umbrella | holding up an umbrella | under an umbrella; with umbrella | umbrella; street park village beach harbour; {CLOTHES}
run; running | jogging | out for a run; running | jogging | jogger | exercise; park beach street forest river hills; {CLOTHES}
cycle; riding a bicycle | cycling | on a bike; cycling | riding bike | cyclist; street park village hills river forest; {CLOTHES}
hike; hiking | trekking with a backpack | on a walk with a rucksack; hiker | hiking | backpacker | trekking; mountains hills forest snow desert; {CLOTHES}
surf; surfing | riding a wave | on a surfboard; surfer | surfing | surfboard; sea; {CLOTHES}
ski; skiing | racing downhill on skis | on skis; skier | skiing | winter sport; snow; {CLOTHES}
yoga; doing yoga | balancing on one leg | holding a tree pose; yoga | balance | meditation; beach park meadow studio room lake; {CLOTHES}
strum; playing the guitar | making music on a guitar | strumming a guitar; guitar player | musician | playing guitar; street park room beach studio; {CLOTHES}
read; reading a book | lost in a novel | on a bench with a book; reading | reader | with a book; park garden lake street village; {CLOTHES}
kite; flying a kite | with a kite on a string | letting a kite rise; kite | flying kite; beach meadow hills park; {CLOTHES}
fishing; fishing | waiting with a fishing rod | angling; fishing | angler | fishing rod; lake river harbour; {CLOTHES}
feed; feeding pigeons | giving crumbs to the birds | on a bench among pigeons; feeding birds | pigeons; park street village; {CLOTHES}
paint; painting a picture | working at an easel | with brush and palette; painter | artist | easel; garden lake hills village studio meadow; {CLOTHES}
photograph; taking a photo | looking through a camera | with a camera; photographer | taking pictures | camera; street mountains beach forest village; {CLOTHES}
football; playing football | kicking a ball | playing soccer; football | soccer | kicking ball; park beach meadow village; {CLOTHES}
skateboard; skateboarding | riding a skateboard | doing a trick on a board; skater | skateboard; street park harbour; {CLOTHES}
cook; cooking | stirring a pot | preparing a meal; cook | chef | cooking | making dinner; kitchen; {CLOTHES}
dance; dancing | moving to music | leaping for joy; dancer | dancing | happy; street beach studio meadow room; {CLOTHES}
garden; gardening | watering flowers | with a watering can; gardener | gardening | watering plants; garden farm village; {CLOTHES}
""")  # fmt: skip # noqa: E501

VEHICLES = _table("vehicle", f"""
car; car | automobile | saloon; car | auto | vehicle; street village hills beach mountains desert; {PAINTS}; ; cars
camper; camper van | minibus with a surfboard | old van; camper | van life | camper van; beach hills mountains forest lake; {PAINTS}; ; camper vans
bus; bus | city bus | coach; bus | public transport; street village hills; {PAINTS}; ; buses
tram; tram | streetcar; tram | streetcar | trolley; street harbour village; {PAINTS}
train; steam train | old locomotive | steam engine; train | locomotive | railway; hills mountains meadow river snow forest; red blue green black
bicycle; bicycle | parked bike | two-wheeler; bicycle | bike; street village park harbour garden beach; {PAINTS}; ; bicycles
motorcycle; motorcycle | motorbike; motorcycle | motorbike | biker; street desert hills mountains village; {PAINTS}; ; motorcycles
tractor; tractor | farm machine; tractor | farm machine | agriculture; farm meadow hills; red green blue yellow; ; tractors
truck; truck | lorry | delivery truck; truck | lorry | transport; street desert hills harbour; {PAINTS}; ; trucks
sailboat; sailing boat | yacht | sloop; sailboat | yacht | sailing; {WATER}; {PAINTS}; ; sailing boats
ship; cargo ship | freighter | container ship; cargo ship | freighter | shipping; sea harbour; red blue green black; ; cargo ships
rowboat; rowing boat | small wooden boat | dinghy; rowboat | small boat | dinghy; {WATER}; {PAINTS}; ; rowing boats
balloon; hot-air balloon | striped balloon; hot air balloon | ballooning; sky mountains desert meadow savannah hills; red blue green yellow orange purple; ; hot-air balloons
plane; aeroplane | passenger jet | airliner; airplane | plane | jet | flight; sky mountains sea; red blue green orange; ; aeroplanes
""")  # fmt: skip # noqa: E501

BUILDINGS = _table("building", """
lighthouse; lighthouse | beacon; lighthouse | beacon; beach sea harbour; red blue black
castle; castle | fortress | old stronghold; castle | fortress | medieval; hills forest mountains lake; grey brown golden
windmill; windmill | old mill; windmill | mill; meadow hills farm river; white grey brown
church; church | chapel; church | chapel | steeple; village hills mountains snow meadow; white yellow grey
bridge; suspension bridge | long bridge; bridge | suspension bridge; river sea harbour; red grey blue
skyscraper; skyscraper | high-rise | office tower; skyscraper | high-rise | tower; street harbour river; blue grey white
cottage; cottage | little house | cosy home; cottage | small house | cabin; village meadow forest snow lake garden; yellow white red blue green
barn; barn | farm building; barn | farm building; farm meadow snow hills; red brown grey
pagoda; pagoda | temple; pagoda | temple | asia; lake forest garden mountains; red green black
tent; tent | campsite; tent | camping | campsite; forest lake mountains meadow beach; orange green blue yellow red
ferris; ferris wheel | big wheel; ferris wheel | fairground | big wheel; park harbour beach street; red blue yellow purple white
""")  # fmt: skip # noqa: E501

FOOD = _table("food", f"""
pizza; pizza | flatbread from the oven; pizza; {TABLES}; {DISHWARE}; basil mushroom olive tomato egg cheese
soup; some soup | some hot broth | some steaming soup; soup | broth | stew; {TABLES}; {DISHWARE}; basil mushroom egg tomato cheese
noodles; some noodles | some ramen | some noodle soup; noodles | ramen; {TABLES}; {DISHWARE}; egg mushroom basil tomato
salad; some salad | some greens | some fresh leaves; salad | healthy food | vegetables; {TABLES}; {DISHWARE}; tomato olive egg cheese lemon nut
coffee; some coffee | cappuccino | hot drink; coffee | cappuccino | espresso; {TABLES} room; {DISHWARE}; chocolate nut mint
tea; some tea | teapot and cup; tea | teapot; {TABLES} room; {DISHWARE}; lemon mint berry
cake; cake | birthday cake | layer cake; cake | birthday cake | dessert; {TABLES} room; {DISHWARE}; chocolate berry lemon nut
burger; burger | hamburger | stacked bun; burger | hamburger | fast food; {TABLES}; {DISHWARE}; tomato cheese mushroom egg
fruit; some fruit | some apples and oranges; fruit bowl | fruit | apples; {TABLES} room; {DISHWARE}; berry lemon
bread; loaf of bread | some sliced bread | baked loaf; bread | bakery | loaf; {TABLES}; white; nut olive cheese
sushi; some sushi | some rice rolls; sushi | japanese food; {TABLES}; {DISHWARE}; mint lemon egg
icecream; ice cream cone | wafer with three scoops; ice cream | gelato; cafe studio beach street park; pink white yellow brown green; chocolate berry lemon mint nut
pancakes; stack of pancakes | some pancakes with syrup; pancakes | breakfast; {TABLES}; {DISHWARE}; berry lemon nut chocolate
""")  # fmt: skip # noqa: E501

PLANTS = _table("plant", """
oak; tree | old oak | leafy tree; tree | oak | lone tree; meadow hills lake park mountains; green
palm; palm tree | coconut palm; palm tree | tropical; beach desert garden; green
sunflower; some sunflowers | some tall flowers; sunflower | sunflowers; meadow farm garden hills; yellow orange
tulip; some tulips | some spring flowers; tulip | tulips | flowers; garden park meadow; red yellow pink purple white
rose; rose | garden flower; rose | flower; garden park studio; red pink white yellow
cactus; cactus | saguaro; cactus; desert; green
mushroom; toadstool | wild mushroom; mushroom | toadstool | fungus; forest meadow; red brown orange
waterfall; waterfall | cascade; waterfall | falls | cascade; forest mountains river; blue
""")  # fmt: skip

THINGS = _table("thing", """
snowman; snowman | man of snow; snowman; snow; red blue green purple
books; pile of books | stack of old books; books | stack of books; room studio table cafe; red
laptop; laptop | notebook computer; laptop | computer | work; room cafe table studio; blue
guitar; guitar | acoustic guitar; guitar | music; room studio cafe beach; golden red brown black
vase; vase of flowers | vase with a bouquet; vase | bouquet | flowers; room table studio cafe; blue white red green
clock; alarm clock | ringing clock; clock | alarm clock | time; room table studio; red blue yellow black
""")  # fmt: skip

SUBJECTS: tuple[Subject, ...] = (*ANIMALS, *PEOPLE, *VEHICLES, *BUILDINGS, *FOOD, *PLANTS, *THINGS)

"""Words for places, light, weather, seasons, colours, second things and styles.

Every entry has two lists: what people write in a sentence, and what they type into a search box.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Ways to say one thing; the first is the plainest."""

    says: tuple[str, ...]
    asks: tuple[str, ...]


def words(says: str, asks: str = "") -> Words:
    """Words from lists separated by bars; what is not asked in a way of its own is asked as it is said."""
    said = tuple(part.strip() for part in says.split("|"))
    return Words(said, tuple(part.strip() for part in asks.split("|")) if asks else said)


PLACES: dict[str, Words] = {
    "beach": words("on the beach | by the seaside | on the sandy shore", "beach | seaside | on the sand | sandy shore"),
    "sea": words("at sea | on the open water | among the waves", "sea | ocean | on the waves"),
    "lake": words("by the lake | beside calm water | at the lakeshore", "lake | lakeside | calm water"),
    "river": words("by the river | beside a winding stream | on the riverbank", "river | stream | riverside"),
    "mountains": words(
        "in the mountains | below the snowy peaks | in an alpine valley", "mountains | alps | mountain view | peaks"
    ),
    "forest": words("in the forest | in the woods | among tall trees", "forest | woods | woodland"),
    "meadow": words("in a meadow | in the grass | in a field of wildflowers", "meadow | grassy field | wildflowers"),
    "hills": words("in the hills | above rolling hills | on a hillside", "hills | rolling hills | hilly countryside"),
    "park": words("in the park | on a park path | in a public garden", "park | city park"),
    "garden": words("in the garden | in the back yard | between flower beds", "garden | backyard"),
    "street": words("in the city | on a city street | downtown", "city | street | downtown | urban"),
    "village": words("in the village | in a small town | before old houses", "village | small town | old houses"),
    "harbour": words("in the harbour | at the port | along the docks", "harbour | port | docks"),
    "desert": words("in the desert | among sand dunes | in a dry sandy land", "desert | dunes | arid"),
    "snow": words("in the snow | on a snowy slope | in a white winter landscape", "snow | snowy | winter landscape"),
    "savannah": words("on the savannah | on the african plain | in dry grassland", "savannah | africa | safari"),
    "farm": words("on the farm | in the countryside | near a red barn", "farm | countryside | rural"),
    "sky": words("high in the sky | up in the air | far above the land", "sky | in the air | up high"),
    "reef": words("on a coral reef | under water | in the deep blue", "underwater | coral reef | under the sea"),
    "room": words("in the living room | at home | on the carpet", "at home | living room | indoors"),
    "kitchen": words("in the kitchen | on the kitchen counter | in a tiled kitchen", "kitchen | home kitchen"),
    "table": words("on a wooden table | on a rustic tabletop | on the dining table", "wooden table | tabletop"),
    "cafe": words("in a cafe | at a coffee shop | under the lamps of a bistro", "cafe | coffee shop | bistro"),
    "studio": words("in the studio | against a plain backdrop | on a plain background", "plain background | studio"),
}

LIGHTS: dict[str, Words] = {
    "dawn": words("at dawn | at first light | as the day breaks", "dawn | sunrise | early morning"),
    "midday": words("in bright daylight | at midday | in the middle of the day", "daytime | daylight | noon"),
    "golden": words("in golden light | late in the afternoon | in the warm low sun", "golden hour | late afternoon"),
    "sunset": words("at sunset | as the sun goes down | under an orange sky", "sunset | sundown | evening sky"),
    "dusk": words("at dusk | in the blue hour | at nightfall", "dusk | twilight | blue hour"),
    "night": words("at night | after dark | under the moon", "night | moonlight | dark"),
    "window": words("in soft daylight | by the window | in natural light", "natural light | bright"),
    "lamp": words("in warm lamplight | in the glow of a lamp | on a cosy evening", "lamplight | cosy evening"),
    "candle": words("by candlelight | in a dim, dark room | in low, moody light", "candlelight | dark and moody"),
}

WEATHERS: dict[str, Words] = {
    "clear": words("under a clear sky | in fine weather | on a sunny day", "sunny | clear sky"),
    "cloudy": words("under a cloudy sky | on an overcast day | beneath grey clouds", "cloudy | overcast"),
    "rain": words("in the rain | on a wet day | during a shower", "rain | rainy | wet weather"),
    "fog": words("in the fog | in the mist | in thick haze", "fog | foggy | misty"),
    "storm": words("in a thunderstorm | as lightning strikes | in wild weather", "storm | lightning | thunder"),
    "snow": words("in falling snow | during a snowfall | while snowflakes drift down", "snowing | snowfall"),
}

SEASONS: dict[str, Words] = {
    "spring": words("in spring | on an april day | when everything blossoms", "spring | springtime"),
    "summer": words("in summer | on a warm july day | in high summer", "summer | summertime"),
    "autumn": words("in autumn | in the fall | when the leaves have turned", "autumn | fall colours | fall"),
    "winter": words("in winter | on a cold december day | in the frost", "winter | cold day"),
}

COLOURS: dict[str, Words] = {
    "red": words("red | crimson | scarlet"),
    "orange": words("orange | bright orange | amber"),
    "yellow": words("yellow | lemon yellow | bright yellow"),
    "green": words("green | emerald | grass-green"),
    "blue": words("blue | navy | deep blue"),
    "purple": words("purple | violet | lilac"),
    "pink": words("pink | rose-coloured | pale pink"),
    "white": words("white | snow-white | off-white"),
    "black": words("black | jet-black | coal-black"),
    "brown": words("brown | chestnut | dark brown"),
    "grey": words("grey | silver | slate grey"),
    "golden": words("golden | sandy | honey-coloured"),
}

EXTRAS: dict[str, Words] = {
    "bench": words("next to a bench | beside a wooden seat | near a park bench", "bench | wooden seat"),
    "tree": words("beside a tree | near a single tree | in the shade of a tree", "tree | lone tree"),
    "birds": words("with birds overhead | while a flock of birds passes | below a few birds", "birds | flock of birds"),
    "fence": words("behind a fence | near a white fence | along a wooden fence", "fence | wooden fence"),
    "lamp": words("beside a street lamp | next to a lantern | near a lamp post", "street lamp | lantern | lamp post"),
    "flowers": words("behind some flowers | near a flower bed | with blossoms in front", "flowers | flower bed"),
    "balloons": words("with three balloons | beside party balloons | near colourful balloons", "balloons"),
    "parasol": words("next to a parasol | beside a striped sunshade | near a beach umbrella", "parasol | sunshade"),
    "rocks": words("beside some rocks | near a few boulders | next to big stones", "rocks | boulders | stones"),
    "boat": words("with a sail on the horizon | while a yacht passes far off", "sail in the distance | yacht"),
    "rainbow": words("under a rainbow | with a rainbow behind | as a rainbow appears", "rainbow"),
    "plant": words(
        "next to a potted plant | beside a leafy house plant | near a green plant", "house plant | pot plant"
    ),
    "candle": words("with two candles | beside burning candles | next to little flames", "candles"),
    "bouquet": words("beside a vase of flowers | with a bouquet | next to cut flowers", "bouquet | vase of flowers"),
    "newspaper": words("next to a newspaper | beside the morning paper", "newspaper | morning paper"),
    "cat": words("watched by a black cat | with a curious cat behind", "black cat | cat watching"),
}

STYLES: dict[str, Words] = {
    "closeup": words("seen from close up | filling the frame | in close view", "close-up | close up"),
    "wide": words("in a wide view | small in the distance | from far away", "wide shot | far away"),
    "silhouette": words("as a dark silhouette | in outline against the light", "silhouette | backlit"),
    "mono": words("in black and white | without colour", "black and white | monochrome"),
    "vintage": words("like an old photograph | in faded colours", "vintage | retro"),
}

WHO: dict[str, Words] = {
    "woman": words("woman | lady | young woman", "woman | lady | female"),
    "man": words("man | guy | young man", "man | guy | male"),
    "girl": words("girl | little girl | child", "girl | little girl | kid"),
    "boy": words("boy | little boy | child", "boy | little boy | kid"),
    "older woman": words("older woman | elderly lady | grandmother", "old woman | grandma | elderly lady"),
    "older man": words("older man | elderly gentleman | grandfather", "old man | grandpa | elderly man"),
}

POSES: dict[str, Words] = {
    "stand": words("standing still | waiting | looking ahead", "standing | waiting"),
    "walk": words("walking | strolling along | on the move", "walking | strolling"),
    "run": words("running | racing along | at full speed", "running | racing | fast"),
    "lie": words("sleeping | lying down | taking a nap", "sleeping | napping | asleep | resting"),
    "graze": words("eating | feeding | with lowered head", "eating | feeding | grazing"),
    "sit": words("sitting | sitting upright | resting on its haunches", "sitting"),
    "fly": words("in flight | flying past | with spread wings", "flying | in flight | spread wings"),
}

TOPPINGS: dict[str, Words] = {
    "basil": words("with basil | topped with green leaves", "basil | fresh herbs"),
    "mushroom": words("with mushrooms | topped with sliced mushrooms", "mushrooms"),
    "olive": words("with olives | dotted with black olives", "olives | black olives"),
    "tomato": words("with tomatoes | with bright red tomato pieces", "tomato | tomatoes"),
    "egg": words("with egg | topped with a soft egg", "egg"),
    "berry": words("with berries | covered in dark berries", "berries | berry"),
    "lemon": words("with lemon | with slices of citrus", "lemon | citrus"),
    "chocolate": words("with chocolate | covered in dark cocoa", "chocolate | cocoa"),
    "cheese": words("with cheese | with melted cheese", "cheese | cheesy"),
    "nut": words("with nuts | sprinkled with walnuts", "nuts | walnuts"),
    "mint": words("with mint | decorated with mint leaves", "mint | mint leaves"),
}

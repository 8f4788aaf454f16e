"""The sentence patterns and plots of the storybook corpus: data only, compiled once by storybook_language.py.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report).
The little language these strings are written in is explained at the top of storybook_language.py.
"""

from typing import Final

POOLS: Final[dict[str, str]] = {
    "opening": """
        Once upon a time, there was {a trait} {kind} named {hero}.
        Once there was {a trait} little {kind} called {hero}, who lived in {a small} {home} near the {place}.
        {hero} was {a trait} {kind} who loved {game} and {tasty} {sweet_food}.
        There once was {a trait} {kind} whose name was {hero}. {He} lived in {a shabby} {home} with {elder}.
        In {a home} not far from the {place} lived {a trait} {kind} named {hero}.
        Long ago, {a trait} and {trait} {kind} named {hero} lived near the {place}.
        {hero} was {a kind} with {a nice} {garment} and [a kind|a brave|a warm|a merry|a gentle|a big|a loving] heart.
        This is the story of {hero}, {a trait} {kind} who was {very} fond of {fruit.s}.
        A little {kind} named {hero} lived with {elder} in {a nice} {home}.
        Not so long ago, there lived {a trait} {kind}. {His} name was {hero}, and {he} always wore {a color} \
            {garment}.
        {hero} was the most {curious} {kind} [in the whole town|for miles around|anyone had ever met].
        Every day {a trait} {kind} named {hero} went to play {place.at}.
        Once, in {a lovely_place} valley, there lived {a trait} {kind} named {hero}.
        Beside {a treelike} {tree} stood {a home}, and in that {home} lived {a kind} called {hero}.
        {hero} and {elder} lived together in {a small} {home}. It had {a color} door and {number} {small} windows.
        Far away, where the {tree.s} grow tall, there lived {a trait} {kind} named {hero}.
        Have you heard about {hero}? {He} was {a trait} little {kind} with {a pattern} {garment}.
        Once upon a time, {a kind} named {hero} lived near {a lovely_place} {other place}.
    """,
    "habit": """
        {He} owned {color} {pair}, {color} {pair}, and {a shabby} {garment} for {foul} days.
        Under {his} bed stood {a color} {box} with {a shabby} {tool}, {number} {gift.s}, and {a small} {find} in it.
        {He} was [hoping|planning|waiting|saving up] to build {a size} {vehicle} out of {container.s} and {find.s}.
        Every {morning}, {he} ate {a tasty} {treat} and {a tasty} {fruit}.
        {He} had {number} {toy.s}, {a shabby} {container}, and one {very} {nice} {toy}.
        {He} liked {animal_kind}, but {he} loved {animal_kind} best of all.
        One day {he} hoped to be {a job} or perhaps {a job}.
        {His} favorite color was {color}, and {his} favorite food was {mass_food}.
        {He} kept {a color} {keepsake} and {a small} {find} in {a shabby} {container}.
        {He} could play the {instrument} [a little|quite well|rather loudly], and {he} sang {gladly}.
        On {fair} days {he} played {game}. On {foul} days {he} read about {vehicle.s} and {creature.s}.
        In {his} {room} there was {a color} [armchair|sofa|hammock|rug|cushion|rocking chair|window seat|mattress] \
            where {he} sat and dreamed.
        {He} collected {find.s} and kept them in {a color} {container} under the [bed|table|stairs|window].
        {He} was always {look.ing} at the {sky_thing.s} and wondering about them.
        {He} had {a nice} {garment} with {color} buttons, and {he} wore it [everywhere|every single day|even to bed].
        {elder} said that {he} was the most {long_trait} {kind} [in the family|in the land|under the sun].
        {He} never went anywhere without {his} {hue} {object}.
        {He} could draw {a nice} {creature}, {a size} {vehicle}, and even {a job}.
        On {weekday}s {he} helped {elder} bake {treat.s}, and on {weekday}s {he} practiced the {instrument}.
        {He} knew the names of all the {bird.s}, from the {small} {songbird} to the {size} {bird}.
    """,
    "friend_intro": """
        {His} friend {friend} always wore {color} {pair} and {enjoy.ed} {vegetable.s} almost as much as {treat.s}.
        {He} and {friend} liked to sit on {a shabby} {seat} and {plan} trips to the {other place}.
        {friend} was {his} neighbor and {his} friend. They {enjoy.ed} {game}, {songbird.s}, and {tasty} {sweet_food}.
        {His} best friend was {a trait} {friend.kind} named {friend}.
        {He} had a friend called {friend}, who was {very} {trait}.
        {friend}, {a trait} {friend.kind}, lived next door and came to visit every {morning}.
        {He} and {friend} did everything together. They played {game}, shared {treat.s}, and drew pictures of \
            {nice} {creature.s}.
        {His} friend {friend} was {trait} and {trait}, and they had been friends for years.
        {hero} had known {friend} ever since they were [very small|tiny|babies].
        Next to {him} lived {friend}, {a trait} {friend.kind} in {a color} {garment}.
    """,
    "fine_day": """
        One {fair} {morning}, {hero} went out to play {place.at}.
        One {fair} {weekday}, {hero} {skip.ed} all the way to the {place}.
        It was {a fair} {morning} in {month}, and {he} felt {happy}.
        One {season} {morning}, when the air was {fair}, {hero} {walk.ed} down to the {place}.
        On {a fair} {weekday} in {month}, {he} put on {a color} {garment} and {a pattern} {garment}.
        One day in {month}, {hero} woke up feeling {very} {happy}.
        The sun was [shining|glowing|blazing|beaming] [like gold|like a golden coin|like a big yellow balloon|high \
            in the sky|above the {tree.s}], and {hero} could hardly wait to go out.
        One {fair} {season} day, {he} packed {a tasty} {treat}, {number} {fruit.s}, and a bottle of \
            [milk|water|lemonade].
    """,
    "scenery": """
        {A small} {songbird} {chirp.ed} [{lightly} |]in the {tree}.
        The {flower.s} {bloom.ed} beside the path, and {a color} butterfly {fluttered} past.
        {A treelike} {tree} stood there, and under it {a small} {little_animal} {scuttle.ed}.
        The wind {blow.ed} [{lightly} |]through the {tree.s}.
        {Many} {color} {flower.s} grew between the {tree.s}.
        {A color} {road_vehicle} rolled by, and the driver waved {gladly}.
        {A shabby} {road_vehicle} stood by the road, next to a heap of {vegetable.s} and {fruit.s}.
        High above, {a color} cloud drifted along, shaped like {a toy}.
        The air smelled of {flower.s} and {tasty} {mass_food}.
        {A trait} {job} walked by with {a color} {container} and said good {morning}.
        {Number} {songbird.s} {chirp.ed} on the fence, and {a little_animal} {scuttle.ed} in the grass.
        The {flower.s} {lit} {bright_as}, and the {tree.s} {swayed}.
        Somewhere far off, {a songbird} called {number} times.
        {A small} {little_animal} and {a big} {big_animal} {rest.ed} in the shade of {a tree}.
        There were {flower.s}, {flower.s}, and even {a nice} {flower} or two.
        {A trait} [baker|farmer|shopkeeper|cook|grocer|pastry cook|miller|young chef] was selling {treat.s} from {a \
            color} cart.
        {Number} {big_animal.s} {rest.ed} near {a shabby} {seat}, and {a songbird} {chirp.ed} to them.
        {A trait} {job} in {a pattern} {garment} and {color} {pair} was playing the {instrument}.
        Two {job.s} were {clean.ing} {a color} {road_vehicle}, and the water {shine.ed} in the sun.
        {A color} {garment} and some {color} {pair} were drying on a line between two {tree.s}.
        On the fence sat {a color} cat, {look.ing} at {a bird}.
    """,
    "journey": """
        On the way, {he} passed {a shabby} {road_vehicle}, {a lovely_place} {other place}, and {number} \
            {big_animal.s}.
        {He} {walk.ed} {slowly} past the {other place}, where {a job} was painting {a color} {furniture}.
        {He} {walk.ed} over a hill, {walk.ed} past {a tree}, and {walk.ed} through a gate.
        {He} hurried along {quick_as}, {skip.ing} over puddles and ducking under branches.
        {He} stopped once to admire {a nice} {flower} and once to greet {a trait} {job}.
        {He} crossed a bridge, where {a bird} was {look.ing} at the water.
        {He} counted {number} {songbird.s}, {number} {little_animal.s}, and one {very} {treelike} {tree}.
        The path led past {a color} house with {flower.s} in every window.
    """,
    "search": """
        {He} looked [{tiny_spot}|{indoor_spot}], but there was only {a shabby} {keepsake}.
        {He} {search.ed} {indoor_spot} and found {a color} {garment} and {number} {find.s}.
        {He} {search.ed} {carefully} {indoor_spot}, and then {tiny_spot}.
        {He} asked {a trait} {job}, but the {job_again} just shook a puzzled head.
        Inside {a shabby} {box} there were {number} {keepsake.s}, and nothing else.
        Behind the {furniture} {he} found {a small} {find}, {a shabby} {tool}, and half {a treat}.
        {He} opened {a color} {box}, but it was full of {tool.s} and {garment.s}.
    """,
    "glad": """
        {hero} felt {happy} and {happy}.
        {hero} {clap.ed} {for_joy}.
        {He} was so {happy} that {he} {clap.ed} and {clap.ed}.
        {hero} laughed {gladly}, and {his} eyes {lit} {bright_as}.
        {A smiling} smile spread across {hero}'s face.
        Deep inside, {hero} felt {very} {happy}.
        {He} {walk.ed} around the [table|garden|house|yard|room|old tree] {number} times, because {he} was so {happy}.
    """,
    "worry": """
        {hero} felt {sad} and {sad}.
        {He} was {very} {sad}, and {his} eyes filled with tears.
        "{alas}," {sobbed} {hero}. "What shall I do now?"
        {hero} sat down {sadly} on {a shabby} {seat} and {sobbed}.
        {A sad} feeling crept into {his} heart.
        {hero} [cried|wept|sighed|sniffled|sobbed] {sadly}. Everything seemed {very} {sad_thing}.
        {He} felt {sad}, and even {a tasty} {treat} did not help.
    """,
    "sigh_day": """
        That night {he} {tremble.ed} a little and could not sleep.
        All through supper {he} only poked at {his} {mass_food}.
        {He} looked out at the {night_sky} and sighed {sadly}.
        The next day felt long and {sad_thing}, and not even {game} was any fun.
        {He} left {his} {treat} on the plate and {walk.ed} to {his} {room} without a word.
    """,
    "feast": """
        Afterward they ate {treat.s}, {fruit.s}, and {tasty} {sweet_food}.
        Then {elder} brought out {a tasty} {treat} and {number} {tasty} {treat.s}.
        They shared {a tasty} {treat}, {number} {fruit.s}, and a big bowl of {sweet_food}.
        For supper there was {mass_food} with {vegetable.s}, and then {a tasty} {treat} for everyone.
        {elder} {gobble.ed} {a treat} and said that it was {long_tasty}.
        To celebrate, they sat on {a pattern} blanket and {gobble.ed} {number} {treat.s} each.
    """,
    "ending": """
        And from that day on, {hero} was the most {long_trait} {kind} near the {place}.
        {hero} never forgot that {fair} {morning} in {month}.
        That night {hero} slept {soundly} and dreamed of {color} {creature.s} and {sky_thing.s}.
        And they all lived happily ever after.
        {hero} curled up in bed, {happy} and {tired}, and was soon fast asleep.
        It was the best {weekday} that {hero} could remember.
        "{lesson}," {elder} said {softly}, and {hero} nodded.
        {hero} smiled at the {night_sky} and whispered, "[What a day|What a lovely day|I will remember this day]!"
        Ever since then, {hero} [smiles|grins|laughs] whenever anybody talks about the {place}.
        When the [stars|first stars|moon and the stars|fireflies] came out, {hero} was already dreaming of {tasty} \
            {sweet_food}.
        And if you ever pass the {place}, you may still see {hero} {skip.ing} along with {friend}.
        It was {a fair} evening, and everyone felt {happy}.
        {elder} tucked {him} in under {a pattern} blanket and said, "Sweet dreams, my {trait} {kind}."
        After that, {hero} and {friend} {walk.ed} home {gladly}, [arm in arm|side by side|laughing all the \
            way|telling jokes all the way|humming a tune together|hand in hand].
        {hero} hung {his} {garment} on the [hook|chair|bedpost|door|peg] and fell asleep with a smile.
    """,
    "elder_help": """
        "Don't be [sad|upset|unhappy|downhearted|so gloomy]," {elder} said {softly}. "We will think of something."
        {elder} put down {a tool} and gave {him} a warm hug.
        {elder} looked up from [the newspaper|a thick book|a bowl of peas|the sewing|a long letter|the dishes|a cup \
            of tea|the knitting] and smiled {softly}. "Tell me all about it," {elder.he} said.
        {elder} listened {closely} and poured {him} a cup of [cocoa|warm milk|tea].
        "{lesson}, little one," said {elder}.
        {elder} wiped {his} tears with {a color} handkerchief.
    """,
    "friend_cheers": """
        "{wow}!" {exclaimed} {friend}. "You are {very} {trait}!"
        {friend} {clap.ed} and {clap.ed}. "{wow}, {hero}! That was {clever}!"
        "I knew that you could do it," said {friend} {gladly}.
        {friend} threw {a color} {garment} into the air and {exclaimed}, "{wow}!"
        "{wow}!" said {friend}. "You looked {long_trait} the whole time!"
    """,
}

PHRASES: Final[dict[str, str]] = {
    # Small pieces of a sentence, written once and used from many patterns.
    "animal_kind": """{creature.s} / {bird.s} / {songbird.s} / {flower.s} and {creature.s} / {sea_thing.s} / \
        {vehicle.s}""",
    "curious": """curious / cheerful / helpful / adventurous / careful / playful / talkative / imaginative / \
        good-natured""",
    "fluttered": "fluttered / floated / danced / drifted / sailed / glided / wobbled / fluttered {lightly}",
    "swayed": "swayed / rustled / whispered / nodded / waved their branches / swayed {lightly} / rustled {lightly}",
    "job_again": "good soul / kind stranger / grown-up / busy worker / passer-by",
    "sad_thing": "gray / dull / hopeless / bleak / dreary / cold / empty / gloomy",
    "a_fine_toy": "{a color} {toy} / {a nice} {toy} / {a small} {toy} / {a nice} {color} {toy} / {a size} {toy}",
    "a_fine_gift": """{a nice} {gift} / {a color} {garment} / {a nice} {keepsake} / {a pattern} {garment} / {a \
        small} {toy}""",
    "some_food": """{a tasty} {treat} / {number} {treat.s} / {a tasty} {fruit} / {a tasty} {treat} and {a tasty} \
        {fruit} / {number} {tasty} {treat.s} / {number} {fruit.s}""",
    "a_clever_idea": "{a clever} idea / {a clever} plan / {a clever} thought / {a clever}, {clever} idea",
    "saying": "{lesson} / Somebody has to say sorry first / A friend is worth more than a game",
    "then": "Then / After that / At last / A little later",
    "hand_in_hand": "Hand in hand / Side by side / Close together / Step by step",
    "furniture_fire": "fires / lamps / stoves / lanterns",
    "place_stage": "village stage / school stage / wooden stage / stage in the square / hilltop / bandstand",
    "creep": "crept / climbed / squeezed / tiptoed / slipped / crawled",
    "away": "out / in the garden / at the market / asleep / busy upstairs / talking to {a job}",
    "cold_and": "cold and / tired and / alone and / wet and / hungry and",
    "spring_month": "March / April / May / early spring / late spring",
    "month_warm": "June / July / August / late May / early September",
    "season_warm": "summer / summer's / late summer / early summer",
    "month_late": "August / September / the end of summer / the end of July / October",
    "season_late": "summer / autumn / harvest time / the warm weather / fall",
    "softly_rain": "soft / gentle / warm / steady / quiet / light",
    "foul_earth": "bare / brown / plain / dark / damp / black",
    "peeping_from": "peeping out of / poking out of / rising from / pushing up through / peeking out of",
    "stretch_up": "stretched toward the sky / climbed higher / grew a little every day / reached for the light",
    "bird_small": "bird / little bird / small bird / hungry bird",
    "seabird": "gull / seagull / albatross / pelican / heron / puffin",
    "sea_thing_boat": "fishing boat / sailboat / rowboat / ferry / tugboat / lighthouse / steamship / yacht",
    "find_sea": """cockleshells / seaweed / pebbles / driftwood / gull feathers / starfish / mussel shells / clam \
        shells""",
    "find_sea_one": "crab / starfish / jellyfish / sea urchin / hermit crab / shrimp / seahorse / barnacle / mussel",
    "washed": "rushed / rolled / splashed / swept / came / washed / foamed",
    "sea_job": "fisher / sailor / lifeguard / captain / shell collector / boat builder / swimmer / sea scout",
    "vehicle_road": "bus / car / jeep / taxi / train / tram / van / wagon / truck",
    "little_by_little": "Slowly / Carefully / Quietly / Bit by bit / Gently / Little by little",
    "sobbing": "crying / sobbing / weeping / sniffling / whimpering",
    "lucky": "lucky / magic / shiny / golden / silver / tiny / smooth / sparkling",
    "night_sky": "stars / moon / moon and the stars / dark blue sky / night sky / crescent moon / first stars",
    "lightly_knock": "softly / gently / lightly / three times / twice / shyly / politely",
    "hard": "hard / carefully / long and hard / quietly / for a while / about it all evening",
    "lit": "shone / glowed / sparkled / twinkled / gleamed / glittered / glistened / shimmered",
    "crowds_of": "many / hundreds of / dozens of / lots of / crowds of / a great many",
    "kitchen_thing": "table / stove / floor / shelf / counter / sink / oven / cupboard / tabletop / windowsill",
    "spice": """butter / salt / cinnamon / sugar / flour / honey / vinegar / pepper / vanilla / mustard / olive oil \
        / ginger""",
    "afraid": "afraid / scared / frightened",
    "gloomy": "dark / dim / gloomy / shadowy / strange / quiet / cold and dark / as dark as night",
    "heavy": "heavy / awkward / bulky / huge / clumsy",
    "helpful": "brave / kind / gentle / patient / clever / helpful / thoughtful / calm / quick / careful",
    "stomped": "marched / stomped / stamped / stalked / stormed / walked / strode / tramped",
    "applauded": "clapped / cheered / applauded / rejoiced / whooped / clapped and cheered / shouted for joy",
}

PLOTS: Final[dict[str, str]] = {
    "lost and found": """
        = @opening
        = @habit
        | More than anything, {he} loved {his} {hue} {object}, which {elder} had given {him} in {month}.
        = @friend_intro

        = One {fair} {morning}, {he} looked for {his} {hue} {object}, but it was gone!
        | One {weekday}, {hero} came home from the {place} and found that {his} {hue} {object} was missing.
        | After a long game of {game}, {he} noticed that {his} {hue} {object} had disappeared.
        ? @worry
        = @search
        ? @search
        = "Have you seen my {object}?" {hero} {asked} {friend}. "No, but I will help you look," said {friend}.
        | {friend} saw {him} looking about {sadly}. "Let's search together," said {friend}. "Four eyes are better \
            than two!"
        | "When did you last have it?" {asked} {elder}. "I had it {place.at}," {hero} {sobbed}.

        = They {walk.ed} back to the {place}, {look.ing} {closely} at every step.
        | So they {walk.ed} to the {place} together, past {a treelike} {tree} and {a shabby} {road_vehicle}.
        ? @scenery
        = {Suddenly}, {hero} saw something {hue} {outdoor_spot}. It was the {object}!
        | {Suddenly}, {friend} pointed. "Look over there!" {friend} {exclaimed}. {Outdoor_spot} lay the {hue} \
            {object}.
        | There, {outdoor_spot}, sat {a small} {little_animal}, and right next to it lay the {hue} {object}.
        ? "{wow}!" {exclaimed} {hero}. "Thank you for helping me!"
        | {hero} hugged the {object}, and then {he} hugged {friend} as well.
        | "I will look after it [carefully|much better|very well|every day] from now on," {hero} promised.

        ? @feast
        = After that, {hero} always put the {object} back in {a color} {box} before bed.
        | {hero} learned to keep {his} things in their places, and to ask for help when they went missing.
        | {He} had found the {object}, and {he} had found out what a good friend {friend} was.
        ? @ending
    """,
    "a quarrel and making up": """
        cast: quarrel_cause
        = @opening
        = @friend_intro
        ? @habit

        ? @fine_day
        = {hero} and {friend} were playing with {a_fine_toy} when they began to argue about {quarrel_cause}.
        | All went well until the two friends started to quarrel about {quarrel_cause}.
        = "{quarrel_cause.claim}!" {snapped} {hero} {crossly}.
        | "{quarrel_cause.claim}!" {friend} {snapped}. "No! That is not fair!" {hero} {snapped} back.
        = {friend} felt {cross} and {stomped} home without saying goodbye.
        | {friend} threw down {a shabby} {toy} and {hurry.ed} away, {very} {cross}.
        | They turned their backs on each other and {stomped} off in different directions, both {cross}.

        ? Now {hero} was all alone. {He} tried to play {game}, but it was no fun without {friend}.
        | At first {hero} was {cross}, but soon {he} felt {sad} and {sad}.
        ? @sigh_day
        = "What is the matter?" {asked} {elder}. {hero} told {elder.him} everything. "{saying}," said {elder} \
            {softly}.
        | @elder_help
        = {hero} thought {hard}. {then} {he} wrapped up {a_fine_gift} and {walk.ed} to {friend}'s door.
        | So {he} picked {number} {color} {flower.s} and {hurry.ed} to find {friend}.

        = "I am sorry, {friend}," said {hero} {shyly}. "You matter more to me than any game."
        | "I was {cross}, and I said unkind things," {hero} {sobbed}. "Will you forgive me?"
        = "I am sorry too," said {friend}. "I missed you very much."
        | {friend} smiled {softly}. "I was just coming to say sorry to you," {friend.he} said.
        ? They shook {hands} and played {game} until the [stars|first stars|moon and the stars|fireflies] came out.
        | They shared {some_food}, and soon they were laughing {gladly} together.
        ? @glad
        = From then on, whenever they disagreed, they went to the {place} and talked it over.
        | {hero} had learned that being kind is more important than being right.
        | @ending
    """,
    "learning a skill": """
        cast: skill
        = @opening
        ? @habit
        = @friend_intro
        = More than anything, {hero} wanted to {skill}.
        | There was one thing {hero} wished for with all {his} heart. {He} wanted to {skill}.
        | {hero} had seen {a trait} {job} who could {skill}, and now {he} wanted to do it too.

        ? @fine_day
        = {He} tried {carefully}, but {he} {skill.mistake}.
        | The first time {he} tried, {he} {skill.mistake}. {A small} {little_animal} seemed to be laughing.
        = "I will never be able to {skill}!" {sobbed} {hero}.
        | @worry
        | "{alas}! {Skill.doing} is {very} hard," {hero} {sobbed}.
        ? "Nobody can do it the first time," {friend} said {softly}. "I had to practice for {days}."
        | {elder} came and sat beside {him}. "{skill.tip}," {elder.he} said {softly}.
        | @elder_help

        = So {hero} tried again, and again, and again. Once more {he} {skill.mistake}, but this time {he} laughed.
        | {He} practiced {skill.doing} before breakfast, and {he} practiced {skill.doing} after supper.
        | For {days} {he} practiced {skill.doing} {place.at}, while {a songbird} watched from {a tree}.
        = "{skill.tip}," {hero} whispered to {himself}.
        | Bit by bit, {skill.doing} grew easier.
        | {friend} came to watch every {morning} and brought {some_food}.
        ? @scenery
        = {Once}, {hero} took a deep breath, and {he} {skill.did} without any help at all!
        | Then, one {fair} {morning}, it happened. {hero} {skill.did} perfectly!
        ? @friend_cheers
        | "Look at me!" {exclaimed} {hero}. "I can {skill}!"

        ? @glad
        ? @feast
        = Now {hero} helps other {folk} who want to {skill}. "{skill.tip}," {he} tells them, "and never give up."
        | And that is how {hero} learned that practice makes hard things easy.
        | @ending
    """,
    "a storm": """
        cast: storm
        = @opening
        = @friend_intro
        = One {morning}, {hero} and {friend} {walk.ed} to the {place} with {a color} [basket|bag|tin|backpack|lunch \
            box|hamper|cart] full of {treat.s}.
        | One {season} {morning}, {hero} took {his} {hue} {object} and went with {friend} to the {place}.
        ? @scenery

        = {Suddenly}, it grew dark and {foul}. {storm.sky}.
        | {storm.sky}. "I think {a storm} is coming," said {friend}.
        = {storm.noise}, and the {tree.s} [shook|swayed|trembled|quivered|creaked|bent low].
        | {storm.noise}. {A small} {little_animal} {hurry.ed} away to hide.
        ? {hero} felt {scared}, and {his} {hands} [trembled|shook|quivered|shivered|quaked].
        | "I want to go home!" {sobbed} {hero}. {His} {garment} was already wet.
        = "Take my {hand}," said {friend} {bravely}. "Let's run to {storm.shelter}!"
        | "There is {storm.shelter} over there," {friend} {cried}. "Hurry!"
        = They {hurry.ed} {quick_as} and shut themselves in.
        | They {hurry.ed} {quickly} across the grass until they were safe inside.

        ? Inside it was {gloomy} but dry. They found {a shabby} {container}, {a shabby} {tool}, and {number} \
            {garment.s}.
        | They wrapped themselves in {a shabby} {garment} and listened to the {storm}.
        ? "Let's sing, so that the {storm} does not seem so [loud|scary|terrible|wild|fierce]," said {hero}.
        | To feel less {scared}, they told each other stories about {a trait} {job} and {a size} {creature}.
        | "Are you {scared}?" {asked} {friend}. "Yes," said {hero}, "but less than before, because you are here."
        ? They shared {some_food}, and {a small} {little_animal} came in to share the crumbs.
        = {Once}, the {storm} moved on, and a ray of sun [shone|broke|gleamed|peeped] through the clouds.
        | {Once}, it was quiet. A rainbow [shone|glowed|arched|shimmered] over the {place}.
        = {elder} came {hurry.ing} up the path with {a color} umbrella. "There you are!" {elder.he} {cried}.
        | They {walk.ed} home through the puddles, where {elder} was waiting with dry {garment.s} and hot \
            [soup|cocoa|milk|tea|broth|stew|chocolate].
        ? "We took care of each other," {hero} said {gladly}.
        | @glad
        = @ending
        | {hero} had learned that even the wildest {storm} comes to an end.
    """,
    "a surprise": """
        cast: occasion
        = @opening
        ? @habit
        = @friend_intro
        = It was nearly {hero}'s birthday, but nobody had said a word about it.
        | One {weekday} in {month}, {hero} woke up and nobody was home. "Where is everybody?" {he} {asked}.

        ? {hero} {walk.ed} {slowly} through the {room}, but {he} saw only {a color} {furniture} and {a shabby} \
            {container}.
        | In the {room} everything was [quiet|still|tidy], except for {a small} clock on the \
            [shelf|wall|table|windowsill|mantelpiece|dresser].
        = {friend} came by with {a size} {container}. "What is in there?" {asked} {hero}. "Nothing at all," said \
            {friend} [quickly|hastily|hurriedly].
        | {elder} whispered something to {friend}, and they both {laughed}. "It is a secret," said {elder}.
        ? {hero} saw {number} {friend.folk} {walk.ing} by with {container.s}, and not one of them stopped to talk.
        | Wherever {hero} went, people stopped talking and hid {garment.s}, {treat.s}, or {gift.s} behind their backs.
        ? @worry
        ? "Has everyone forgotten me?" {he} wondered {sadly}.
        | {He} {walk.ed} to the {other place} and sat under {a tree}, feeling {sad}.
        = Then {friend} came {hurry.ing} along. "Close your eyes and come with me!" {friend.he} {exclaimed}.
        | {Once}, {elder} took {him} by the {hand} and led {him} to the {place}.

        = "Surprise!" {shout.ed} all the {folk}. The whole place was decorated with {color} ribbons and {color} \
            {flower.s}.
        | When {he} opened {his} eyes, {he} saw {many} {color} balloons, {a size} {treat}, and all {his} friends. \
            "Surprise!" they {shout.ed}.
        = {friend} gave {him} {a_fine_gift}, and {elder} gave {him} {a_fine_toy}.
        | There was {a_fine_gift} from {friend} and {a_fine_gift} from {elder}.
        ? "I thought that you had all forgotten me," said {hero}. "Never!" {friend} {laughed}.
        | {hero} was so {surprised} that {he} could only say, "{wow}!"
        = Everyone {occasion.activity}, and {a job} played the {instrument}.
        | They all {occasion.activity} and played {game}.
        ? @feast
        = @ending
    """,
    "helping a stranger": """
        = @opening
        ? @habit
        = @fine_day
        ? @journey
        ? @scenery

        = By the road {he} met {a stranger} with {a shabby} {garment} and {a color} {load}.
        | Near the {place}, {a stranger} was sitting on {a shabby} {seat} and [staring|gazing|looking] {sadly} at \
            the ground.
        = "Is something wrong?" {hero} {asked} {softly}.
        | "Good {morning}," {hero} said {softly}. "May I help you?"
        = "My {load} is too heavy for me," sighed the {stranger}, "and I still have to reach the {other place}." So \
            {hero} {carry.ed} the {heavy} load all the way.
        | "I have lost my {keepsake}," said the {stranger}, "and my eyes are too weak to find it." {hero} knelt \
            down and {search.ed} for {minutes}. At last {he} found it {outdoor_spot}.
        | "I am hungry and {tired}," said the {stranger}, "and everyone hurries past me." {hero} had only {number} \
            {treat.s} with {him}, but {he} held them all out at once.
        | "My {road_vehicle} is stuck in the mud," said the {stranger}. {hero} pushed and pushed until {his} \
            {garment} was brown with mud, and {once} the wheels came free.
        | "I do not know the way to the {other place}," said the {stranger}. "I will take you there," said {hero}, \
            although it was {very} far.
        ? {hero} could have gone to play {game}, but {he} had seen how [sad|tired|lonely|weary|worried|unhappy] the \
            {stranger} looked.
        ? "It is no trouble," said {hero} {gladly}. "We will manage it together."
        ? Afterward they sat in the shade for a while, and the {stranger} told {him} about {a trait} {job} and {a \
            size} {creature}.
        | It took {minutes}, but {hero} did not complain once.

        = {Once}, everything was done. "You are {a trait} {kind}," said the {stranger}. "Please take this." It was \
            {a_fine_gift}.
        | "Thank you," said the {stranger}. "Most people never look twice at me." And {stranger.he} gave {him} \
            {a_fine_gift}.
        | The {stranger} smiled {softly}. "{lesson}," {stranger.he} said.
        ? "I do not need anything," said {hero}. "I am glad I could help."
        | {hero} blushed. "Anyone would have done the same," {he} said.
        ? A week later, {hero} was in trouble {himself}, with {a shabby} \
            [wagon|cart|bicycle|wheelbarrow|scooter|tricycle|go-cart] stuck in the mud. Who came to help? It was \
            the {stranger}!
        ? @feast
        ? When {elder} heard about it, {elder.he} was {very} proud.
        | After that, {hero} and the {stranger} met every {weekday} and ate {tasty} {treat.s} together.
        ? @ending
    """,
    "a fear overcome": """
        cast: fear
        = @opening
        = {He} was brave about {creature.s} and brave about {vegetable.s}, but {he} was afraid of {fear}.
        | Only one thing made {him} {tremble}. {hero} was {very} {afraid} of {fear}.
        | {hero} had a secret that {he} told to nobody. {He} was terrified of {fear}.
        ? @habit
        = @friend_intro
        = {He} was sure that {fear.worry}.
        | "What if {fear.worry}?" {he} often thought.

        = One {weekday}, {friend} invited {him} to come along, and {hero} knew that {he} would have to face {fear}.
        | One {foul} {morning}, {friend} needed help, and {hero} had to be brave about {fear}.
        ? "I can't," {hero} {sobbed}. "I am too {scared}."
        | {His} {feet} would not move. {He} {tremble.ed} and held on to the {furniture}.
        | {hero} hid {hideout} and did not come out for {minutes}.
        ? {elder} did not laugh. "When I was little, I was afraid of {fear} too," {elder.he} said {softly}.
        | "Being brave does not mean that you are not {scared}," said {elder}. "It means that you try anyway."
        | @elder_help
        = {elder} gave {him} {fear.help}. "This may help," {elder.he} said.
        | "Let's go together," said {friend}. "I will stay very close to you."

        = {hero} counted to {number} and took one {small} step, and then another.
        | {little_by_little}, with {his} heart thumping, {hero} opened one eye and looked.
        = And do you know what? It turned out that {fear.truth}.
        | Then {he} discovered something. It turned out that {fear.truth}!
        = "Is that all?" {hero} {laughed}. "I was {scared} for nothing!"
        | "{wow}!" {exclaimed} {hero}. "I am not {afraid} anymore!"
        ? @friend_cheers
        | @glad
        ? @feast
        = Now, when {hero} meets somebody who is afraid of {fear}, {he} lends them {fear.help} and a kind word.
        | Since that day, {hero} has never been quite so afraid of {fear}.
        | @ending
    """,
    "a broken thing": """
        cast: broken
        = @opening
        ? @habit
        = @friend_intro
        = In the {room} stood {a nice} {broken} that {elder} loved very much.
        | {elder} had {a nice} old {broken}, and {elder.he} had kept it for years.

        = One {foul} {morning}, {hero} was playing {game} indoors with {friend}.
        | One {weekday}, {hero} and {friend} were {skip.ing} around with {a_fine_toy}, though {elder} had said, \
            "Please be careful."
        = Bump! The {broken} {broken.broke}.
        | {Suddenly}, there was {a loud} noise. The {broken} {broken.broke}!
        = "{alas}!" {cried} {hero}. "What have we done?"
        | {hero} {look.ed} at it in horror and felt {sorry}.
        ? "We could hide it {indoor_spot}," whispered {friend}. "No," said {hero}. "I want to tell the truth."
        | For {minutes} {hero} thought about hiding it {indoor_spot}, but that did not feel right.

        = {He} {walk.ed} {slowly} to {elder}. "I have broken the {broken}," {he} {sobbed}. "I am {very} sorry."
        | "It was my fault," {hero} told {elder} {shyly}. "I was not careful."
        = {elder} was {sad} for a moment, but then {elder.he} smiled. "Thank you for being honest," {elder.he} said.
        | "Accidents happen," said {elder} {softly}. "Let us see what we can do about it."
        ? They fetched {a tool}, {a shabby} {tool}, and {a color} {container} full of bits and pieces.
        | {hero} brought {a container} of {tool.s} from the {room}, and {friend} cleared the {furniture}.
        = First they [cleaned|wiped|dusted|brushed] it {carefully}. Then they {broken.mended}.
        | It took {minutes}. {hero} and {elder} {broken.mended}.
        ? When they had finished, the {broken} was almost as good as new, and {hero} painted {a small} {color} \
            {flower} on the mended part.
        | "Look!" said {hero} {gladly}. "You can hardly see where it broke."
        ? "I like it even better now," said {elder}, "because we fixed it together."
        ? @glad
        = @ending
        | {hero} had learned that many broken things can be mended, and that the truth is the best glue.
    """,
    "a recipe": """
        cast: dish
        = @opening
        ? @habit
        = @friend_intro
        = One {fair} {morning}, {hero} said, "I would like to cook {dish} for {friend}."
        | It was {foul} outside, so {hero} and {elder} decided to make {dish}.
        | {friend} was ill in bed, and {hero} wanted to bring {friend.him} {dish}.

        = {He} tied on {a color} apron, washed {his} {hands}, and set out {number} {container.s}.
        | They took {vegetable.s}, {spice}, and {number} {fruit.s} out of the pantry, although they did not need \
            them all.
        = First {he} {dish.first}. Then {he} {dish.then}.
        | {elder} {dish.first}, and {hero} {dish.then}.
        ? "How does it taste?" {asked} {elder}. {hero} dipped in a spoon. "It needs a little more \
            [salt|love|time|butter]," {he} said {softly}.
        | The whole {room} smelled {long_tasty}. {A small} {little_animal} came to sniff at the door.
        = Then something went wrong. Before anyone could stop it, {dish.mishap}!
        | "{alas}!" {cried} {hero}, for all of a sudden {dish.mishap}.
        ? @worry
        | {hero} {look.ed} at the mess, and {his} lip {tremble.ed}.
        = "Every cook makes mistakes," said {elder}. "Let's [clean|wipe|wash|tidy] everything and try again."
        | "I once made {mass_food} that tasted like {a shabby} {garment}," {elder} {laughed}. "Never give up on a \
            recipe."

        = So they [wiped|scrubbed|washed|cleaned|polished] the {kitchen_thing} and began again, a little more \
            {carefully} than before.
        | They {clean.ed} up, laughed about it, and started over.
        = This time everything went well, and {once} the food was ready.
        | {Once}, {elder} took off the lid. "{wow}!" said {hero}. "It looks {long_tasty}!"
        = {friend} {gobble.ed} {number} helpings. "This is the most {long_tasty} food I have ever had!" {friend.he} \
            said.
        | {friend} tasted it and {exclaimed}, "{wow}! You are a real cook!"
        ? There was even enough for {a trait} {job} who lived next door.
        ? @glad
        ? {hero} wrote down the recipe in {a color} notebook and drew {a size} {vegetable} on the cover.
        | @ending
        | {hero} had learned that food tastes best when you make it for somebody you love.
    """,
    "a knight and a dragon": """
        cast: world=knight place=old_place dragon_want prize=keepsake
        = Once upon a time, there was {a trait} young knight named {hero}, who lived in {a shabby} castle by the \
            {place}.
        | Long, long ago, {a trait} knight called {hero} rode through the land on {a color} horse.
        | In the days of kings and queens, there lived a knight named {hero}. {He} was not big, but {he} was \
            {trait} and {trait}.
        ? {He} wore {a color} cloak, and on {his} shield was {a size} {color} {creature}.
        ? @friend_intro
        = One {morning}, {a trait} {job} came {hurry.ing} to the gate. "Help! {A big} {hue} dragon is {dragon_want}!"
        | One {weekday}, the queen called for {hero}. "{A big} {hue} dragon has been {dragon_want}," the queen \
            said. "Will you go and stop it?"

        ? "I will go," said {hero} {bravely}, although {he} felt {scared}.
        | {hero} packed {some_food}, {a tool}, and {a pattern} blanket, and off {he} rode.
        ? {He} rode past {a lovely_place} [valley|village|lake|meadow|abbey|mill|orchard], over {number} hills, and \
            through {a spooky} forest.
        | The road was {gloomy}, and {bird.s} {look.ed} down at {him} from the {tree.s}.
        = {Once}, {he} reached {a spooky} cave. Inside, two {color} eyes {lit} {bright_as}.
        | There sat the dragon on top of {a spooky} mountain. Its {hue} scales {lit} {bright_as}.
        = "Go away!" roared the dragon. Smoke curled from its nose, and the ground [trembled|shook|quaked|shuddered].
        | {hero} lifted {his} sword, but then {he} saw {a size} tear roll down the dragon's cheek.
        = {hero} put down {his} sword. "I do not want to fight you," {he} said {softly}. "Tell me what is wrong."
        | "Why are you {dragon_want}?" {hero} {asked} {bravely}. "You do not look wicked to me."
        = "Nobody has ever asked me that," the dragon said in {a tiny_voice} voice. You see, the poor dragon \
            {dragon_want.reason}.
        | The dragon stopped and {look.ed} at {him}. It was not wicked at all. It {dragon_want.reason}.

        = {hero} had {a_clever_idea}. {He} {dragon_want.remedy}.
        | "Then I can help you," said {hero} {gladly}. {He} rolled up {his} sleeves and {dragon_want.remedy}.
        ? The dragon was so {happy} that it blew {number} {color} smoke rings.
        | "Thank you, little knight," said the dragon. "You are the first friend I have ever had."
        ? The dragon carried {hero} home on its back, and all the people {applauded}.
        | When {hero} came back, the queen gave {him} {a nice} {prize} and {a size} {treat}.
        ? @feast
        = After that, the dragon lit the {furniture_fire} every winter, and nobody was afraid of it again.
        | From then on, people said that {hero} was the bravest knight of all, because {he} had been kind.
        | And so the knight and the dragon stayed friends, and they played {game} every {weekday}.
    """,
    "a contest": """
        cast: contest
        = @opening
        ? @habit
        = @friend_intro
        = One {weekday}, {he} saw {a size} {color} poster. There would be {a contest} on {weekday}, and the first \
            prize was {contest.prize}.
        | Every {season} there was {a contest} near the {place}. The winner would get {contest.prize}.

        = "I want to win!" said {hero}. {He} {contest.practiced}.
        | {hero} started {contest.practice} at once. {He} practiced every {morning}, even when it was {foul}.
        | For {days}, {hero} {contest.practiced}, and {elder} watched {gladly}.
        ? {friend} wanted to win as well. "May the best one win," said {friend} {gladly}.
        | "Do you think I have a chance?" {hero} {asked}. "If you do your best, that is enough," said {elder}.
        ? The night before the {contest}, {he} was so {excited} that {he} could not sleep.
        = {Once}, the great day came. {Crowds_of} people stood about in {color} {garment.s} and {color} {garment.s}.
        | On the day of the {contest}, the weather was {fair}. {A trait} {job} rang {a size} bell, and it began.
        ? {hero}'s heart beat [fast|faster and faster|hard|like a drum], but {he} did {his} best.
        | {A job} did well, and {a job} did even better. Then it was {hero}'s turn.
        = {Suddenly}, {hero} saw {friend} stumble and drop {a color} {keepsake}. Nobody else had noticed.
        | Halfway through, {friend} got into trouble and looked {scared}.
        = {hero} did not think twice. {He} stopped and helped {friend}, even though it cost {him} time.
        | "Take my {hand}!" {exclaimed} {hero}, and {he} helped {friend} before {he} went on.

        = Even so, {hero} {contest.moment}, and everyone {applauded}.
        | Then {he} went back and {contest.moment}, just a little too late to be first.
        = {A trait} {job} won {contest.prize}, but the judges had a surprise. They gave {hero} {a nice} {keepsake} \
            for being the kindest one of all.
        | "{hero} and {friend} share the prize!" {exclaimed} the judge, and handed them {contest.prize}.
        ? "Winning is nice," {hero} told {elder}, "but helping {friend} felt even better."
        | @friend_cheers
        | @glad
        ? @feast
        = @ending
    """,
    "a new neighbor": """
        cast: chore
        = @opening
        ? @habit
        = One {fair} {morning}, {a big} {color} truck stopped next door. Somebody was moving in!
        | For {days} the {home} next door had been empty. Then, one {weekday}, there was a light in the window.

        = Out came {a color} {furniture}, {a shabby} {furniture}, {number} {container.s}, and {a nice} {instrument}.
        | {hero} {look.ed} over the fence and saw {a color} {furniture}, {a size} {instrument}, and {a container} \
            full of {toy.s}.
        = Last of all came {a trait} {friend.kind} with {a color} {garment}. {Friend.his} name was {friend}.
        | Behind the {furniture} stood {a trait} {friend.kind} named {friend}, looking {scared}.
        ? "I wonder if {friend.he} likes {game}," thought {hero}, but {he} was too shy to ask.
        | {hero} waved, but {friend} did not wave back. "Perhaps {friend.he} does not like me," {hero} {sobbed}.
        = "It is hard to be new," said {elder}. "Why don't you bring over {some_food}?"
        | "Maybe {friend} is just {scared}," said {elder} {softly}. "Somebody has to say hello first."
        = So {hero} put {number} {treat.s} into {a nice} {container} and {walk.ed} next door.
        | {hero} picked {number} {color} {flower.s}, {walk.ed} up the path, and knocked {lightly_knock}.

        = "Hello," said {hero}. "I am {hero}. Welcome! Would you like to play {game}?"
        | "These are for you," said {hero} {shyly}. "I live right next door."
        = {friend}'s face {lit} {bright_as}. "I was afraid that nobody would talk to me," {friend.he} said.
        | "I would love that!" {friend} {exclaimed}. "I do not know anybody here yet."
        ? {hero} showed {friend.him} the {place}, the {other place}, and the best {tree} for climbing.
        | They helped to {chore} first, and then {hero} showed {friend.him} the {place}.
        ? {friend} taught {hero} a song on the {instrument}, and {hero} taught {friend} to play {game}.
        | They found out that they both loved {creature.s}, {fruit.s}, and stories about {a trait} {job}.
        ? @scenery
        = By the end of the week, they were the best of friends.
        | "I am glad you moved here," said {hero}. "So am I," said {friend}.
        ? @feast
        = @ending
        | {hero} had learned that a small hello can be the start of a great friendship.
    """,
    "a seed that grows": """
        cast: crop
        = @opening
        ? @habit
        = One day in {spring_month}, {elder} gave {him} {a small} {crop} seed.
        | One {fair} {morning}, {hero} found {a small} {crop} seed {outdoor_spot}.
        | {A trait} {job} gave {hero} a single {crop} seed in {a color} {container}.
        ? "It does not look like much," said {hero}. "Wait and see," {elder} {laughed}.
        | "What will it turn into?" {hero} {asked}. "Something {long_nice}," said {elder}.

        = {He} took {a shabby} {tool} and dug {a small} hole {place.at}.
        | {He} filled {a color} [flowerpot|clay pot|tin|wooden box|bucket|bowl|jug|tub|watering can] with soft \
            earth and pushed the seed in {carefully}.
        = Every {morning} {he} watered it {carefully} from {a shabby} watering can.
        | {He} gave it water when it was dry, and {he} sang to it {softly} when it was dark.
        = {Days} went by, but nothing happened. {hero} felt {sad}.
        | {hero} waited and waited. After {days} there was still nothing but {foul_earth} earth.
        ? "Maybe it is asleep," said {friend}. "Maybe it is shy," said {hero}.
        | "I will dig it up and look," said {hero}. "Oh, please don't!" said {elder}. "Seeds need time."
        | @worry
        ? One day a hungry {songbird} came and {look.ed} at the spot, but {hero} chased it off {bravely}.

        = Then, one {fair} {morning}, {hero} saw {crop.sprouted} {peeping_from} the soil.
        | {Once}, after a night of {softly_rain} rain, there it was: {crop.sprouted}!
        ? "{wow}!" {exclaimed} {hero}. "It is alive!"
        | {hero} {hurry.ed} to fetch {friend}. "Come and see!" {he} {exclaimed}.
        = It grew and grew. {A small} {little_animal} {scuttle.ed} in its shade, and {songbird.s} {chirp.ed} around \
            it.
        | The sun shone, the rain fell, and the little plant {stretch_up}.
        = By {month_late}, it had become {crop.grew}!
        | When {season_late} came, {hero} had {crop.grew}.
        ? "You were {very} patient," said {elder}. "[Good things take time|Patience is the best fertilizer|Every \
            big plant was once a seed|Slow growing makes strong roots|I knew that you could wait]."
        | People came from the {other place} to look at it, and {a job} took a picture.
        ? @glad
        ? @feast
        = {hero} saved {number} seeds in {a small} {container}, one for each of {his} friends.
        | And every {season} after that, {hero} planted another seed.
    """,
    "a secret place": """
        cast: secret
        = @opening
        = @friend_intro
        = @fine_day
        ? @scenery
        = {hero} was following {a small} {little_animal} when it vanished {secret.door}.
        | {hero} kicked {his} ball too hard, and it ended up {secret.door}.
        | {A color} butterfly led {hero} further and further, until {he} stood {secret.door}.

        = {He} {look.ed} {closely} and gasped. There was a hidden {secret}!
        | "What is this?" {hero} wondered. {He} {creep} inside and found {a nice}, hidden {secret}.
        ? It was {gloomy} at first, but then {his} eyes got used to the light. {He} saw {secret.inside}.
        | There were {secret.inside}. {hero} had never seen anything so {long_nice}.
        ? In the corner stood {a shabby} {container}. Inside it lay {a color} {keepsake}, {number} {find.s}, and {a \
            shabby} {garment}.
        | On the ground lay {a shabby} {toy} and {a nice} {keepsake}, as if somebody had played there long ago.
        ? {hero} could not keep it to {himself}. The next day {he} brought {friend} along.
        | "I must show this to {friend}," {he} thought, and {he} {hurry.ed} off {quick_as}.
        ? "Promise that you will not tell," said {hero}. "I promise," said {friend} [at once|in a \
            whisper|solemnly|without blinking].
        | "{wow}!" {exclaimed} {friend}. "This is the most {long_nice} {secret} in the whole world!"

        ? Together they {clean.ed} away the dust and brought {a color} rug, {a shabby} {furniture}, and {number} \
            {gift.s}.
        | They {carry.ed} in {a color} {furniture}, hung up {gift.s}, and made a sign with {color} letters.
        = But one {morning}, they found {a trait} little {little_animal} there, {sobbing} {sadly}. "I have nowhere \
            to play," it said. "Then play here with us," said {hero} {softly}. "There is room enough for one more."
        | But one {foul} {weekday}, the way in was blocked by {a big} branch, and they felt {sad}. They \
            [pulled|heaved|dragged|lifted] and [pushed|tugged|hauled|shoved] for {minutes}, and {once} the way was \
            open again.
        | But one {weekday}, they wanted to be alone there, each of them, and they argued {crossly}. At last they \
            made a plan. On {weekday}s it belonged to {hero}, on {weekday}s to {friend}, and on all the other days \
            to both of them.
        = "A secret is nicer when you share it," said {friend}, and {hero} had to agree.
        | After that, they met there every {weekday} to play {game} and {gobble} {treat.s}.
        ? @feast
        = @ending
    """,
    "a lie told and confessed": """
        cast: lie
        = @opening
        ? @habit
        = @friend_intro
        = One {fair} {weekday}, something bad happened. While {elder} was {away}, {hero} had {lie}.
        | {hero} did not mean to do it, but one {foul} {morning} {he} had {lie}.

        = {elder} came home and saw {lie.mess}. "What has happened here?" {elder.he} {asked}.
        | Soon {elder} noticed {lie.mess}. "Do you know anything about this, {hero}?" {elder.he} {asked}.
        = {hero} felt {scared}. "{lie.excuse}," {he} said [quickly|hastily|hurriedly].
        | {hero} {look.ed} at the floor. "{lie.excuse}," {he} {sobbed}.
        ? "Hm," said {elder}. "That is {very} strange." And {elder.he} said no more about it.
        | "I see," said {elder} {softly}, and went back to {elder.his} {furniture}.
        = But {hero} had a heavy feeling in {his} tummy. The lie sat there like {a shabby} stone.
        | After that, nothing was fun. Not {game}, not {mass_food}, not even {his} {hue} {object}.
        ? @sigh_day
        ? "You look {sad}," said {friend}. "What is wrong?" {hero} told {friend.him} the truth.
        | {hero} whispered the whole story to {his} {hue} {object}, but that did not help for long.
        ? "You should tell {elder}," said {friend} {softly}. "You will feel lighter."
        | "A lie is like mud," said {friend}. "It sticks until you wash it off."

        = So {hero} took a deep breath and {walk.ed} to {elder}. "{lie.confession}," {he} said. "I told a lie, and \
            I am very sorry."
        | At bedtime, {hero} could not bear it any longer. "{lie.confession}," {he} {sobbed}. "I am sorry that I \
            lied."
        = {elder} hugged {him}. "Thank you for telling me," {elder.he} said. "That was {very} brave."
        | {elder} was quiet for a moment. "I am not happy about what you did," {elder.he} said, "but I am proud \
            that you told me."
        ? "I will make it right," {hero} promised, and the next day {he} helped {elder} for {minutes}.
        | The next {morning}, {hero} took {a tool} and {a shabby} {tool} and helped to put things right.
        ? The heavy feeling was gone, and {hero} {skip.ed} about as light as a feather.
        | @glad
        ? @feast
        = {hero} had learned that the truth may be hard to say, but a lie is harder to carry.
        | From that day on, {hero} always told the truth, even when it was difficult.
        | @ending
    """,
    "sharing": """
        cast: snack=treat
        = @opening
        ? @habit
        = @friend_intro
        = One {fair} {morning}, {elder} gave {hero} {number} {tasty} {snack.s}. "{wow}!" said {hero}.
        | {hero} had a new {hue} {object}, and {he} took it to the {place}, along with {number} {tasty} {snack.s}.
        = {hero} sat down under {a treelike} {tree} to enjoy them all by {himself}.
        | "All mine," {he} thought [happily|greedily|proudly|with a grin|to {himself}].

        = Soon {friend} came {walk.ing} along. {Friend.he} {look.ed} at the {snack.s} and at {hero}'s {hue} \
            {object}. "May I have a turn?" {friend.he} {asked}.
        | Then {friend} sat down next to {him}. {Friend.he} had no {snack} and no {toy}, only {a shabby} {keepsake}.
        = "No," said {hero} {crossly}. "It is mine." And {he} turned away.
        | {hero} hid everything behind {a big} {box}. "I need it all," {he} said {crossly}.
        = {friend} felt {sad} and {trudge.ed} away {sadly}.
        | {friend} said nothing, but {friend.his} shoulders drooped, and {friend.he} {trudge.ed} off.
        ? @scenery
        ? {hero} {gobble.ed} {a tasty} {snack}, but somehow it did not taste as good as before.
        | {hero} played alone for {minutes}. It was not much fun with nobody to laugh with.
        ? {A small} {songbird} hopped closer with a worm in its beak and gave it to another {bird_small}. {hero} \
            watched {closely}.
        | Close by, {number} {little_animal.s} were sharing {a shabby} {vegetable}. {hero} watched them and felt \
            {sorry}.

        = "Wait, {friend}!" {cried} {hero}, and {he} {hurry.ed} after {friend.him} {quick_as}.
        | {He} jumped up and {hurry.ed} to find {friend}. "Please come back!" {he} {exclaimed}.
        = "I was selfish," said {hero}. "Half of everything is for you."
        | "Here," said {hero} {shyly}, and {he} held out the biggest {snack}. "I should have shared it before."
        ? {friend}'s eyes {lit} {bright_as}. "Thank you!" {friend.he} {exclaimed}.
        | "That is {very} kind of you," said {friend}, and {friend.he} gave {hero} {a color} {keepsake}.
        ? They took turns with the {hue} {object}, and they {gobble.ed} the {snack.s} together.
        | Together they made up a new game with {a_fine_toy} and {number} {find.s}.
        ? "It tastes better when we share," said {hero}, and {he} meant it.
        | @glad
        ? @ending
        = {hero} had learned that sharing makes one small thing big enough for two.
        | From then on, {hero} always brought two {snack.s}, one for {himself} and one for {friend}.
    """,
    "a rescue": """
        cast: baby_animal
        = @opening
        ? @habit
        = @friend_intro
        = @fine_day
        ? @journey
        ? @scenery

        = {Suddenly}, {hero} heard {a tiny_voice} cry. It came from the {tree.s} [nearby|by the path|behind the wall].
        | "Did you hear that?" {hero} {asked} {friend}. It was {a tiny_voice} sound.
        = {He} {look.ed} around {closely} and found {a small} {baby_animal}. It {baby_animal.trouble}.
        | There, near the {flower.s}, {he} saw {a small} {baby_animal} that {baby_animal.trouble}.
        ? "Poor little {baby_animal.young}!" said {hero} {softly}. "Don't be {scared}. I will help you."
        | The poor {baby_animal.young} {tremble.ed}. It was {cold_and} {scared}.
        ? {hero} reached out, but {he} was not quite able to help it alone.
        | {hero} tried once, and {he} tried {number} times, but it was {very} difficult.
        = "I will fetch {a tool} and {a color} {garment}," said {friend}, and {hurry.ed} off {quick_as}.
        | {He} {hurry.ed} home {quick_as} and came back with {elder}, {a shabby} {container}, and {a tool}.

        = Slowly and {carefully}, they set the {baby_animal.young} free.
        | With {a color} {garment} around it, the {baby_animal.young} felt safe, and together they lifted it up \
            {carefully}.
        ? They gave it a sip of water and let it rest in {a small} {container}.
        | {hero} stroked it with one finger, and {elder} checked it {carefully} from top to toe.
        = Before long, the {baby_animal.young} was {baby_animal.safe}.
        | {Once}, the {baby_animal.young} was {baby_animal.safe}, and {hero} felt {happy}.
        ? "Goodbye, little one," {hero} whispered. "Take care of yourself."
        | @friend_cheers
        ? A few days later, the {baby_animal.young} came to visit, and {hero} was sure that it remembered {him}.
        ? @feast
        = "You were very {helpful} today," said {elder}. "{lesson}."
        | {hero} had learned that even small {hands} can do great things.
        ? @ending
    """,
    "building something": """
        cast: project
        = @opening
        = @friend_intro
        = One {fair} {weekday}, {hero} said, "Let's build {a project}!"
        | One {season} {morning}, the two friends had {a_clever_idea}. They would build {a project} {place.at}.
        ? "What do we need?" {asked} {friend}. "{Project.parts}," said {hero}.
        | They drew a plan on {a shabby} paper bag. It showed {a size} {project} with {a color} flag.

        = They collected {project.parts}. {elder} lent them {a shabby} {tool} and {a nice} {tool}.
        | In the {room} they found {project.parts}, {a shabby} {tool}, and {number} {tool.s}.
        = {hero} {project.step}, while {friend} held everything steady.
        | First they swept the ground. Then {friend} {project.step}.
        = But there was a problem. They had worked for {minutes}, and {project.trouble}!
        | At first it looked {long_nice}, but then {project.trouble}.
        = "This is your fault!" {snapped} {friend}. "No, it is yours!" {hero} {snapped} back {crossly}.
        | {hero} felt {sad}. "All that work for nothing," {he} {sobbed}.
        | "{alas}!" said {friend}. They looked at each other, and both of them felt {sad}.
        ? {elder} came by with {some_food}. "Every builder begins again sometimes," {elder.he} said {softly}.
        | Just then, {elder} walked past. "Try it again, and this time measure twice," {elder.he} said {softly}.

        = So they sat down, ate {some_food}, and made a better plan.
        | "Let's listen to each other this time," said {hero}. "You have {clever} ideas too."
        ? {hero} {carry.ed}, {friend} hammered, and {elder} measured. Little by little, it got better.
        | They worked until the [stars|first stars|moon and the stars|fireflies] came out, and the next {morning} \
            they worked again.
        = {Once}, the {project} was finished. It was the most {long_nice} {project} {place.at}!
        | {Once}, it was done! They painted it {color} and {color} and tied {a color} ribbon to the top.
        ? All the {folk} from the {other place} came to see it. "{wow}!" they {shout.ed}.
        | @glad
        ? @feast
        = "We could never have done it alone," said {hero}, and {friend} nodded.
        | The two friends had learned that good work takes patience and four willing {hands}.
        | @ending
    """,
    "a noise in the night": """
        cast: sound
        = @opening
        ? @habit
        = One {foul} night, {hero} was lying in bed when {he} heard {sound}.
        | It was late, and the {home} was dark. {Suddenly}, {hero} heard {sound}.
        = {He} pulled {a pattern} blanket up to {his} nose and {tremble.ed}.
        | {His} heart beat [fast|faster and faster|hard|like a drum]. "What can that be?" {he} whispered.

        ? "Perhaps it is {a size} {creature}," {he} thought, "or {a trait} pirate with {a color} beard!"
        | {He} imagined {a size}, {color} monster with {number} eyes.
        = {He} lay {still_as} and listened. There it was again!
        | {He} hid {his} head under the pillow and hugged {his} {hue} {object}.
        = {Once}, {he} tiptoed to {elder}'s room. "I am {scared}," {he} {sobbed}. "There is {sound}."
        | "{elder}!" {he} called in {a tiny_voice} voice. {elder} came {quickly}, carrying a lamp.
        = "Let's find out together," said {elder} {bravely}, and {elder.he} took {his} {hand}.
        | "Things are always less scary with the light on," said {elder}. "Come along."
        ? They tiptoed past the {furniture}, past {a shabby} {container}, and through the {room}, as quietly as \
            they could.
        | They looked behind the {furniture} and under the {furniture}, but there was only {a shabby} {garment}.

        = Then they opened the door, and what did they see? It was {sound.cause}!
        | {hero} held up the lamp {bravely}. It was nothing but {sound.cause}!
        ? "Is that all?" {hero} {laughed}. {elder} {laughed} too.
        | {hero} laughed so hard that {he} nearly dropped the lamp.
        ? "Good night," {hero} said {softly}. "Please be a little quieter, if you can."
        | {elder} warmed up some milk, and they sat on the {furniture} and {look.ed} at the {night_sky}.
        ? "In the dark, a small thing can sound {very} big," said {elder}.
        = The next {morning}, {hero} told {friend} all about it. "You were so brave!" {friend} {exclaimed}.
        | {elder} tucked {him} in again, and soon {he} was fast asleep.
        = After that, when {hero} heard something at night, {he} only smiled and turned over.
        | {hero} had learned to look first and be {afraid} later.
    """,
    "a wish": """
        cast: wish
        = @opening
        ? @habit
        = @friend_intro
        = {hero} had one great wish. {He} wished for {wish}.
        | Every night {hero} {look.ed} at the {night_sky} and wished for {wish}.

        = One {fair} evening, {he} saw {a lucky} star fall over the {place}. "I wish for {wish}," {he} whispered.
        | {elder} gave {him} {a lucky} {keepsake}. "Hold it tight and make a wish," {elder.he} said. So {hero} \
            wished for {wish}.
        = {He} waited {minutes}, but nothing happened.
        | The next {morning} {he} {hurry.ed} to the window, but everything was just the same.
        ? @worry
        | "Wishes do not come true," {hero} told {friend} {sadly}.
        = "Some wishes take a while," {friend} said {softly}. "Let's do something nice while you wait."
        | "Sometimes a wish comes true while you are busy being kind," said {elder}.
        = So {hero} helped {a trait} {job} to carry {number} {container.s}, and {he} gave {some_food} to {a stranger}.
        | So {he} fed {a small} {little_animal}, helped {elder} in the {room}, and lent {friend} {his} {hue} {object}.
        ? @scenery
        ? {hero} was so busy that {he} forgot all about {his} wish.

        = Then, one {fair} {morning}, {he} opened the door, and {wish.got}!
        | {Once}, {he} woke up, rubbed {his} eyes, and looked. Overnight, {wish.got}!
        ? "{wow}!" {exclaimed} {hero}. "My wish has come true!"
        | {hero} was {surprised}. "How did this happen?" {he} {asked}. {elder} only smiled.
        ? {He} {hurry.ed} to tell {friend}, and they {clap.ed} together.
        | @glad
        ? @feast
        = "Perhaps it was the star," said {elder}, "or perhaps it was your kind heart."
        | {hero} had learned that patience and kindness make the best kind of magic.
        ? @ending
    """,
    "the wrong path": """
        = @opening
        = @friend_intro
        ? @fine_day
        = "Let's have a picnic," said {hero}, and they packed {some_food} and {some_food}.
        | They wanted to visit {a stranger} on the far side of the {place}, and they took {a_fine_gift} along.

        ? @journey
        ? @scenery
        = They came to a fork in the road. "Left!" said {hero}. "Right!" said {friend}.
        | {hero} saw {a nice} {flower} off the path, then another, and another, and soon the path was gone.
        = They {walk.ed} on and on, until the forest was {gloomy} and nothing looked familiar.
        | {Suddenly}, {hero} stopped. "I think that we are lost," {he} said in {a tiny_voice} voice.
        ? @worry
        | {friend} began to {tremble}. "What if we never find the way home?" {friend.he} {sobbed}.
        | It was getting dark, and {a songbird} called from {a treelike} {tree}.
        = "Let's stay calm and think," said {hero} {bravely}. {He} had {a_clever_idea}.
        | "Do you remember what {elder} always says?" {asked} {hero}. "Stay together, and look for something you \
            know."

        = They climbed {a treelike} {tree} and looked around. Far away, they could see the roof of {hero}'s {home}.
        | They listened {closely}. Somewhere a stream was murmuring, and {hero} knew that it flowed past the {place}.
        | They followed the {treat} crumbs that they had dropped, one by one, all the way back.
        ? On the way they met {a stranger}, who pointed to {a small} path. "That is the quickest way," \
            {stranger.he} said {softly}.
        | {hand_in_hand}, they {walk.ed} past {a shabby} {road_vehicle}, past {a size} rock, and past {number} \
            {little_animal.s}.
        = {Once}, they saw a light. It was {elder} with a lantern! "There you are!" {elder.he} {cried}.
        | {Once}, they saw {elder} {walk.ing} toward them, and they {hurry.ed} into {elder.his} arms.
        ? "We got lost, but we stayed together," said {hero} {gladly}.
        | @glad
        ? @feast
        ? After that, {hero} always carried {a small} map in {his} {garment} pocket.
        | {hero} had learned that it is wise to stay on the path, and wiser still to stay calm.
        ? @ending
    """,
    "the band": """
        cast: horn=instrument friend_horn=instrument
        = @opening
        = @friend_intro
        = {hero} loved music. {He} had {a shabby} {horn}, and {he} played it every {morning}.
        | {elder} gave {hero} {a nice} {horn} for {his} birthday, and {he} wanted to play in a band.

        = But when {he} played the {horn}, {a loud} noise came out. {A small} {little_animal} {hurry.ed} away.
        | At first the {horn} sounded like {a shabby} {road_vehicle} going uphill.
        ? "Please stop!" {cried} {a trait} {job}. "My ears hurt!"
        | "What {a loud} noise!" {shout.ed} the neighbors, and they shut their windows.
        ? @worry
        | {hero} put the {horn} in {a container} and felt {sad}.
        = Then {friend} came by with {a color} {friend_horn}. "I sound bad alone too," {friend.he} said. "Let's try \
            it together."
        | "Nobody sounds good alone at first," said {friend}. "I will bring my {friend_horn}."

        = They met {place.at}. {friend} played the {friend_horn} {softly}, and {hero} joined in on the {horn}.
        | They practiced for {days}, {lightly} at first and then a little louder.
        = {A trait} {job} heard them and fetched {a size} {instrument}. Soon {a job} came along with {a shabby} \
            {instrument}.
        | More {folk} joined them with {a color} {instrument}, {a shabby} {instrument}, and even {a tool}.
        ? @scenery
        ? {hero} learned to listen while {he} played, and the tune grew {long_nice}.
        | "Listen to each other," said {elder}. "That is the whole secret of a band."
        = On {weekday}, they gave a concert. {Crowds_of} people came, dressed in {color} {garment.s}.
        | {Once}, they played on the {place_stage}, and everyone {applauded}.
        ? When the last note faded, the people {shout.ed}, "{wow}! Play it again!"
        | Even {a size} {creature} tapped its foot, and {a bird} {chirp.ed} along.
        ? @glad
        ? @feast
        = {hero} had learned that small sounds can make something big when they go together.
        | @ending
    """,
    "a gift made by hand": """
        cast: present=gift
        = @opening
        ? @habit
        = @friend_intro
        = Soon it would be {elder}'s birthday, and {hero} wanted to give {elder.him} something {long_nice}.
        | In the window of a shop, {hero} saw {a nice} {keepsake}. "That would be just right for {elder}," {he} \
            thought.
        = But when {hero} opened {his} {container}, there were only {number} pennies inside.
        | {hero} counted {his} coins {number} times, but there were never enough.

        ? @worry
        | "I cannot buy anything," {hero} told {friend} {sadly}.
        = "You could make something," said {friend}. "{A present}, perhaps?"
        | Then {hero} had {a_clever_idea}. "I will make {a present} all by myself!"
        = {He} gathered {color} paper, {number} {find.s}, and {a color} ribbon, and {he} set to work in the {room}.
        | {He} found {a shabby} {tool}, {color} thread, and {a container} of {find.s}.
        = The first one went wrong, and so did the second. {hero} sighed, but {he} did not stop.
        | {He} worked {carefully} for {minutes}, with {his} tongue between {his} teeth.
        ? {A small} {little_animal} knocked over the glue, and {hero} had to start again.
        ? {friend} came to help and brought {some_food}.

        = {Once}, it was ready. It was a bit crooked, but it was {color} and {color}, and it {lit} {bright_as}.
        | When the {present} was finished, {he} wrapped it in {a pattern} cloth and hid it {indoor_spot}.
        ? On the big day, {hero} felt {excited}. What if {elder} did not like it?
        | When {elder} opened the present, {hero} could hardly breathe.
        = {elder} [looked|gazed|stared] at the {present} for a long time. "You made this for me?" {elder.he} said \
            {softly}.
        | "{wow}!" said {elder}. "It is the most {long_nice} {present} I have ever seen."
        ? "It is better than anything from a shop," said {elder}, "because you put your heart into it."
        | {elder} put it on the {furniture} in the {room}, where everyone could see it.
        ? @glad
        ? @feast
        = {hero} had learned that the best gifts are made with love.
        | @ending
    """,
    "by the sea": """
        cast: world=child
        = @opening
        = @friend_intro
        = One {fair} {season_warm} {morning}, {hero} went to the beach with {elder} and {friend}.
        | In {month_warm}, {elder} took {hero} and {friend} to the seaside in {a color} {vehicle_road}.
        ? They packed {a pattern} towel, {number} {fruit.s}, and {a color} bucket.
        | {hero} wore {a color} sun hat, and {friend} brought {a nice} {toy}.

        ? The waves {shine.ed} {bright_as}, and {a size} {seabird} cried above the sand.
        | Far out on the water they could see {a color} {sea_thing_boat} and {number} white sails.
        = They dug {a size} hole, built a castle, and decorated it with {find_sea} and {find_sea}.
        | {hero} found {a small} {find_sea_one} and {a color} stone, and {friend} found {a nice} shell.
        = {Suddenly}, a wave {washed} over the sand and carried off {hero}'s {hue} {object}.
        | {Suddenly}, {hero} saw that {his} {hue} {object} was floating away.
        = "{alas}!" {sobbed} {hero}. "It is going out to sea!"
        | "My {object}!" {shout.ed} {hero}. {He} wanted to run after it, but {elder} held {him} back.
        ? "Never go in deep water alone," said {elder}. "Let me think."
        | "Stay here with me," said {elder} {softly}. "The sea is stronger than we are."

        = {A trait} {sea_job} was standing close by with {a size} net. One long stretch of the net, and the \
            {object} was safe!
        | They followed it along the shore, {hurry.ing} over the wet sand. {Once}, the next wave brought the \
            {object} back and laid it right at {hero}'s feet.
        | {elder} waded in up to the knees, reached out with {a color} umbrella, and hooked the {object} just in time.
        = "{wow}!" {exclaimed} {hero}. "I have it back!"
        | {hero} hugged the wet {object} and laughed {gladly}.
        = They ate {tasty} {treat.s} and watched {a nice} sunset. The sky turned {color} and {color}.
        | On the way home, {hero} had sand in {his} {garment} and the {object} on {his} lap.
        = {hero} kept {a small} shell from that day, and whenever {he} held it to {his} ear, {he} could hear the sea.
        | @ending
    """,
    "too much of a hurry": """
        cast: chore snack=treat
        = @opening
        ? @habit
        = @friend_intro
        = {hero} had only one fault. {He} was always in a hurry.
        | "Slow down!" {elder} often said, but {hero} did everything [at top speed|in a rush|twice too fast|without \
            looking].
        = One {fair} {weekday}, {elder} said, "First you must {chore}, and then we will go to the {place}."
        | One {morning}, {friend} was coming to play, but first {hero} had to {chore}.

        = {hero} did it all {quick_as}, without looking. Crash! Down fell {a color} {container}.
        | In {his} hurry {he} tripped over {a shabby} {tool} and knocked down {a size} {container}.
        = Out rolled {number} {vegetable.s}, {number} {fruit.s}, and {a keepsake}.
        | Now there was {mass_food} all over the {kitchen_thing} and {sweet_food} on the {garment.s}.
        = "{alas}!" {cried} {hero}. "Now it will take twice as long."
        | @worry
        = {friend} came in and {look.ed} at the mess. "I will help you," said {friend}, "but we will do it \
            [slowly|calmly|carefully|step by step|properly]."
        | "Shall I tell you a secret?" {asked} {elder}. "The slow way is often the quick way."
        = So {hero} [wiped|scrubbed|washed|cleaned|polished] the {kitchen_thing}, {carefully} this time, and picked \
            up every single [crumb|piece|bit|drop|speck].
        | They {clean.ed} and {clean.ed}, and while they worked, they sang {lightly}.

        ? When {he} slowed down, {hero} noticed things that {he} had never seen before: {a small} {little_animal} \
            by the door, and {a nice} {flower} in the sun.
        | {hero} was surprised. It was almost fun to go slowly.
        = Soon {he} had {chore.done}, and nothing else fell over.
        | {Once}, {he} had {chore.done}, and everything {lit} {bright_as}.
        ? "Well done," said {elder}. "Now there is time for {a tasty} {snack}."
        | "Look how {long_nice} it is!" said {friend} {gladly}.
        ? They {walk.ed} to the {place} together, {slowly} for once.
        | This time {hero} did not run ahead. {He} {walk.ed} beside {friend} and counted {songbird.s}.
        ? @scenery
        ? @glad
        = {hero} had learned that a job done carefully needs to be done only once.
        | @ending
    """,
}

"""The lexicon of the storybook corpus: word lists and tables, data only, read once by storybook_lexicon.py.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report).
Words are separated by spaces; an underscore stands for a space inside an entry; a slash gives irregular forms.
"""

from typing import Final

PLAIN: Final[dict[str, str]] = {
    "boy_name": """
        Adam Aiden Alan Albert Alex Alfie Amir Andre Andrew Anton Archie Arjun Arlo Arthur Asher Axel Barnaby
        Ben Benny Bert Billy Bobby Boris Brandon Bruno Caleb Calvin Carl Carlos Casper Cedric Charlie Chen
        Christopher Cody Colin Connor Cyril Dan Daniel Danny Darius David Declan Diego Dominic Duncan Dylan Eddie
        Edgar Edwin Eli Elliot Emil Enzo Eric Ernest Ethan Evan Felix Finn Francis Frank Freddie Gavin George
        Gilbert Gordon Graham Gregory Gus Hamish Hank Harold Harry Harvey Hassan Hector Henry Herbert Hugh Hugo
        Ian Ibrahim Isaac Ivan Jack Jacob Jamal Jamie Jared Jasper Jay Jeremy Jesse Jimmy Joe Joel Johnny Jonah
        Joseph Joshua Juan Julian Kai Karim Keith Kenji Kevin Kofi Kyle Lance Larry Leo Leon Leonard Levi Liam
        Lionel Logan Luca Luke Malcolm Marco Mark Martin Mateo Matthew Max Micah Michael Miguel Milo Mohan Nathan
        Ned Neil Nico Noah Noel Oliver Omar Oscar Otto Owen Pablo Patrick Paul Pedro Percy Peter Philip Quentin
        Rafael Ralph Raymond Reuben Ricky Robert Robin Rodney Roger Ronan Rory Rowan Roy Rupert Ryan Salim Sam
        Samir Scott Sean Sebastian Simon Spencer Stanley Stefan Stuart Tariq Ted Terry Theo Timothy Tobias Toby
        Todd Tom Tommy Tony Tristan Victor Vincent Wally Walter Warren Wendell Wilbur Will Winston Yusuf Zack""",
    "girl_name": """
        Abby Abigail Ada Adele Agatha Aisha Alexa Alice Alina Alma Amanda Amara Amelia Amina Amy Anastasia Angela
        Anita Anna Annie Anya Aria Astrid Audrey Aurora Ava Beatrix Becky Bella Bertha Beth Betty Bianca Bonnie
        Bridget Camilla Carla Carmen Carol Caroline Cassie Cecilia Celia Charlotte Chloe Claire Clara Claudia
        Cleo Constance Cora Cordelia Daphne Deborah Delia Denise Diana Dora Doris Dorothy Edith Eileen Elena
        Eleanor Elise Eliza Elizabeth Ella Ellen Eloise Elsa Elsie Emily Emma Erica Esme Esther Eva Evelyn Faith
        Fatima Felicity Fiona Flora Florence Frances Freya Frida Gemma Georgia Gloria Grace Greta Gwen Hannah
        Harriet Heidi Helen Helena Hilda Holly Ida Imogen Ingrid Irene Isabel Isla Jane Janet Jasmine Jenny
        Jessica Jill Joan Joanna Josephine Josie Joyce Judith Julia Juliet June Kate Katie Keiko Kimberly Kira
        Lara Laura Layla Leah Leila Lena Libby Lila Lily Linda Lisa Lola Lorna Lottie Louisa Lucy Luna Lydia
        Mabel Maddie Maggie Maisie Malia Margaret Maria Marie Martha Mary Matilda Maya Megan Mei Melanie Mia Mila
        Millie Mina Miriam Molly Nadia Nancy Naomi Natalie Nell Nina Nora Olga Olive Olivia Pamela Patsy Paula
        Pearl Penelope Penny Petra Phoebe Polly Priya Quinn Rachel Ramona Rebecca Rita Rosalind Rosie Ruby Ruth
        Sadie Sally Samantha Sandra Sara Selma Sheila Sienna Sofia Sonia Stella Sue Susan Suzy Sylvia Tamara
        Tania Tara Tess Tessa Thea Tilly Tina Trixie Una Ursula Valerie Vera Victoria Viola Violet Wendy
        Winifred Yara Yasmin Yuki Yvonne Zara Zelda Zoe""",
    "boy_pet_name": """
        Acorn Bandit Barley Basil Biscuit Bracken Bumble Bumpkin Burr Buster Button Chestnut Chip Cobble
        Cosmo Crispin Digby Domino Dusty Fidget Flint Fudge Fuzzy Ginger Gizmo Grumble Hickory Humphrey
        Jumper Jumble Kipper Lucky Marbles Monty Moss Mumble Munch Nibble Oakley Oats Parsnip Patch Pebble Pepper
        Pickle Pip Pipkin Pocket Pogo Puddle Quill Radish Rascal Ripple Rocky Rolo Ruffle Rumple Rusty Scamper
        Scout Scruff Skipper Smudge Snuffle Sorrel Splash Sprout Squeak Stumpy Thimble Thistle Tugger Tumble
        Turnip Twig Waddle Waffle Whiskers Wiggle Wink Woolly Zigzag""",
    "girl_pet_name": """
        Amber Apricot Berry Bluebell Blossom Bramble Bubbles Buttercup Button-Nose Cherry Cinnamon Clover Cocoa
        Coral Cotton Cricket Crumpet Crystal Cupcake Daisy Dandelion Dewdrop Dimple Feather Flossy Fluffy Foxglove
        Freckle Frost Hazel Heather Honey Ivy Jellybean Juniper Lavender Lemon Lilac Maple Marigold Marmalade Mimi
        Minnow Mitten Mopsy Muffin Nutmeg Olive-Bud Pansy Peaches Peony Petal Petunia Pippa Plum Poppy Posy
        Primrose Puff Pumpkin Raindrop Ribbon Rosebud Rosehip Saffron Silky Snowdrop Snowflake Sparkle Speckle
        Star Sugar Sunny Tansy Teasel Thyme Toffee Tulip Twinkle Velvet Willow""",
    # --- describing people -------------------------------------------------------------------------------------
    "trait": """
        adventurous bold brave bright busy calm careful caring cheerful clever cozy-hearted curious daring dreamy
        eager easygoing energetic fearless friendly funny generous gentle giggly good-natured graceful happy
        hardworking helpful honest hopeful humble imaginative inventive jolly joyful kind kind-hearted lively
        loving loyal merry mischievous modest nimble obliging patient playful plucky polite quick-witted quiet
        sensible shy sleepy smart soft-hearted spirited steady sunny sweet talkative tenderhearted thoughtful
        trusting warm-hearted well-mannered wise witty """,
    "happy": """
        blissful bubbly cheerful comforted content contented delighted glad gleeful grateful happy jolly joyful
        joyous jubilant lighthearted merry peaceful pleased proud relieved satisfied thankful thrilled overjoyed
        hopeful""",
    "excited": """
        eager excited restless thrilled giddy curious jittery impatient keen breathless""",
    "sad": """
         crestfallen disappointed discouraged dismayed downcast gloomy
        glum heartbroken miserable mournful sad sorrowful sorry tearful troubled unhappy
        upset wistful woeful worried wretched""",
    "scared": """
        afraid alarmed anxious fearful frightened jumpy nervous panicky scared shaky startled
        terrified uneasy worried""",
    "cross": """
        angry annoyed bitter bothered cranky cross displeased fed_up fierce furious grouchy grumpy huffy
        irritated mad snappish sour stubborn sulky touchy""",
    "tired": """
           drowsy exhausted sleepy sluggish tired weary worn_out """,
    "surprised": """
        amazed astonished astounded baffled bewildered dazzled dumbfounded puzzled shocked speechless
        stunned surprised taken_aback""",
    "sorry": """
        ashamed awful bad dreadful guilty heavy-hearted miserable regretful remorseful sorry terrible uncomfortable
        sheepish""",
    # --- adverbs ------------------------------------------------------------------------------------------------
    "gladly": """
        brightly cheerfully delightedly eagerly gladly gleefully gratefully happily heartily joyfully joyously
        merrily proudly warmly""",
    "softly": """
        calmly gently kindly lovingly quietly softly soothingly sweetly tenderly thoughtfully warmly""",
    "sadly": """
         dejectedly forlornly gloomily glumly miserably mournfully sadly sorrowfully
        tearfully unhappily wearily wistfully woefully""",
    "quickly": """
        briskly hastily hurriedly in_a_flash in_no_time instantly lickety-split nimbly promptly quickly rapidly
        right_away speedily straightaway swiftly""",
    "carefully": """
        carefully patiently slowly steadily gently cautiously gingerly""",
    "slowly": """
        aimlessly calmly carefully dreamily gingerly idly lazily leisurely noiselessly peacefully quietly silently
        slowly softly steadily stealthily without_a_sound""",
    "bravely": """boldly bravely courageously daringly fearlessly firmly gallantly resolutely stoutly valiantly""",
    "crossly": """angrily coldly crossly fiercely gruffly grumpily harshly hotly impatiently sharply sourly
        stubbornly sulkily""",
    "very": """
        awfully ever_so extremely incredibly really so terribly truly very""",
    "once": """afterward at_last before_long by_and_by eventually finally in_a_little_while in_the_end presently
        soon soon_enough after_a_while after_some_time""",
    "suddenly": """all_at_once all_of_a_sudden just_then just_at_that_moment quite_suddenly suddenly that_very_moment
        without_warning out_of_the_blue""",
    # --- describing things --------------------------------------------------------------------------------------
    "color": """
        amber aqua beige black blue bronze brown cherry-red coral cream crimson dark_blue emerald gold golden gray
        green indigo ivory lavender leaf-green lemon-yellow light_blue lilac lime maroon mint-green navy_blue
        ocean-blue orange pale_pink peach pink plum purple red rose-pink ruby rust-colored scarlet silver
        sky-blue snow-white tan turquoise violet white yellow""",
    "size": """big enormous fair-sized gigantic huge large little massive medium-sized mini rather_small
        small tiny tremendous wee""",
    "small": """dainty itty-bitty little miniature petite pocket-sized small teeny tiny wee""",
    "nice": """
        amazing beautiful bright brand-new charming cheery colorful cute dazzling delightful elegant enchanting
        fabulous fancy fine gleaming glittering glossy gorgeous handsome lovely magnificent marvelous neat new
        perfect pleasing polished precious pretty remarkable shiny smart sparkling special spectacular
        splendid superb terrific unusual wonderful""",
    "shabby": """ancient battered bent chipped creaky crooked dented dusty faded forgotten grimy muddy old
        old-fashioned patched plain rickety rusty scratched scruffy shabby smudged stained tatty weathered
        well-used wobbly worn""",
    "pattern": """checked dotted embroidered flowery fringed knitted plaid rainbow silky
        spotted starry striped velvet woolen""",
    "tasty": """
        appetizing delicious delightful divine fragrant fresh heavenly homemade irresistible luscious
        mouthwatering perfect rich scrumptious sweet-smelling tasty tempting wholesome yummy""",
    "fair": """
        balmy beautiful breezy bright calm clear cloudless cool crisp fine fresh glorious golden hazy lovely mild
        peaceful pleasant quiet still sunny sun-filled warm windless""",
    "foul": """blustery chilly cloudy damp drab dreary drizzly foggy freezing frosty gloomy gray icy misty murky
        overcast rainy stormy wet wild windy wintry""",
    "lovely_place": """
        blooming breezy charming cheerful cool delightful grassy green hidden leafy lovely lush mossy peaceful
        pleasant pretty quiet serene shady silent sleepy sunlit sunny tranquil""",
    "spooky": """cold crooked dark deep dim eerie empty gloomy lonely mysterious narrow shadowy spooky strange
        silent winding wild""",
    "loud": """booming clanging crashing deafening ear-splitting enormous huge loud mighty roaring sharp
        terrible thundering tremendous""",
    "tiny_voice": """faint feeble high hushed little muffled peeping quiet shaky small soft squeaky thin timid tiny
        trembling""",
    "clever": """brilliant bright clever crafty excellent fine fresh good grand great ingenious inspired
        marvelous simple smart sensible splendid super surprising wonderful""",
    "morning": """afternoon day evening morning""",
    "weekday": """Monday Tuesday Wednesday Thursday Friday Saturday Sunday""",
    "month": """January February March April May June July August September October November December""",
    "season": """spring summer autumn winter""",
    "number": """two three four five six seven eight nine ten eleven twelve""",
    "many": """a_dozen at_least_twenty dozens_of a_few a_handful_of heaps_of lots_of plenty_of several
         hundreds_of countless""",
    "minutes": """ten_minutes half_an_hour a_long_time hours the_whole_morning a_good_while twenty_minutes
        the_rest_of_the_day what_felt_like_ages nearly_an_hour""",
    "days": """two_days three_days several_days a_week two_weeks ten_days a_whole_month""",
    "wow": """Cool Fantastic Goodness Gosh Great Hooray Hurrah My_goodness Oh_my Wonderful Wow Yippee
         Yay Marvelous Oh_joy Amazing Splendid Golly My_oh_my""",
    "alas": """Oh_dear Oh_no Uh-oh Goodness_me Oh_my Dear_me Good_heavens Mercy""",
    "exclaimed": """ called cheered cried exclaimed gasped hollered shouted shrieked squealed whooped
        yelled""",
    "sobbed": """groaned moaned mumbled muttered sighed sniffed sniffled sobbed wailed whimpered whispered wept""",
    "cried": """cried exclaimed called shouted gasped""",
    "laughed": """beamed chuckled giggled grinned laughed smiled chortled""",
    "snapped": """barked barked fumed growled grumbled huffed scolded shouted snapped snarled yelled""",
    "asked": """
        asked""",
    "quick_as": """like_the_wind like_a_flash like_a_rabbit like_a_galloping_pony as_fast_as_lightning
        as_quick_as_a_wink as_swiftly_as_a_swallow like_a_little_rocket like_a_shooting_star at_top_speed
        without_stopping_once as_fast_as_can_be""",
    "still_as": """as_quiet_as_a_mouse as_still_as_a_stone like_a_sleeping_cat as_silent_as_snow like_a_statue
        as_still_as_a_heron as_hushed_as_a_library""",
    "bright_as": """like_a_star like_a_mirror like_gold like_the_moon like_a_lantern like_dew_on_the_grass
        like_a_row_of_candles like_fresh_snow like_a_wet_pebble like_polished_silver like_a_jewel""",
    "game": """catch charades checkers chess dominoes follow-the-leader hide-and-seek hopscotch I_spy jump_rope
        leapfrog make-believe marbles musical_chairs pirates tag explorers red_rover shops skittles
        snap soccer tug-of-war twenty_questions blind_man's_buff horseshoes castles_and_kings""",
    "mass_food": """
        barley_soup bean_stew cereal cheese_fondue chicken_pie chili corn_bread corn_chowder couscous
        cauliflower_cheese dumpling_soup fried_rice garlic_bread leek_soup lentil_stew macaroni mashed_potato
        minestrone mushroom_soup noodles oatmeal onion_soup pasta pea_soup porridge potato_salad pumpkin_soup
        ravioli rice roast_turnip salad spaghetti tomato_soup vegetable_curry vegetable_stew""",
    "lesson": """
        Courage_grows_when_you_use_it Every_day_brings_something_new Even_a_small_kindness_travels_far
        A_good_friend_is_the_best_treasure_of_all There_is_always_a_way_to_help Patience_is_stronger_than_hurry
        Two_heads_are_better_than_one A_kind_word_costs_nothing Little_steps_go_a_long_way
        Good_things_are_better_when_they_are_shared A_gentle_heart_is_a_strong_heart
        The_best_days_often_begin_by_surprise Nobody_is_too_small_to_matter Listening_is_a_kind_of_love
        Trying_again_is_half_of_winning Love_makes_light_work""",
    "shyly": """
        bashfully faintly gently hoarsely meekly politely quietly shyly softly timidly humbly""",
    "lightly": """
        cheerily dreamily faintly gaily gently lightly merrily quietly softly sweetly playfully""",
    "soundly": """
        soundly peacefully deeply sweetly snugly cozily like_a_log like_a_dormouse like_a_baby all_night_long""",
    "closely": """
        attentively carefully closely eagerly intently keenly very_closely""",
    "long_tasty": """
        appetizing delicious delightful divine heavenly irresistible luscious mouthwatering scrumptious wonderful""",
    "long_trait": """
        adventurous careful caring cheerful courageous curious daring easygoing energetic fearless generous
        good-natured graceful hardworking helpful honest hopeful imaginative inventive kind-hearted loving loyal
        modest obliging patient playful polite quick-witted sensible spirited talkative tenderhearted thoughtful
        trusting well-mannered""",
    "long_nice": """
        amazing astonishing beautiful charming colorful dazzling delightful elegant enchanting extraordinary
        fabulous glorious graceful impressive magical magnificent marvelous perfect precious remarkable
        spectacular splendid superb unusual wonderful""",
    "sweet_food": """
        apple_crumble applesauce banana_pudding caramel_cream chocolate_mousse custard fruit_jelly fudge
        ice_cream lemon_sherbet marzipan peach_cobbler plum_compote popcorn raspberry_sauce rice_pudding toffee
        trifle vanilla_pudding whipped_cream yogurt""",
    "for_joy": """
        with_joy for_joy with_delight with_happiness again_and_again in_a_circle as_loudly_as_could_be
        until_the_birds_looked_up up_and_down""",
    "big": """
        big enormous gigantic giant great huge hulking immense large massive mighty mammoth towering
        tremendous vast """,
    "treelike": """
        ancient bent crooked gnarled knotty leafy lofty lonely mossy old shady spreading stout sturdy tall
        towering twisted weather-beaten""",
    "smiling": """
        beaming big bright broad dimpled gentle glad great happy proud radiant shy slow sunny sweet warm wide""",
    "pair": """
        boots clogs galoshes gloves leggings mittens moccasins overalls pajamas pants sandals shoes shorts
        slippers sneakers socks stockings suspenders trousers tights rain_boots dancing_shoes snow_boots
        woolen_socks""",
}

NOUNS: Final[dict[str, str]] = {
    "toy": """
        abacus ball balloon basketball beach_ball boat boomerang card_game checkerboard clockwork_robot
        cuckoo_clock dinosaur doll dollhouse drum duck elephant_puppet fire_engine flag football frisbee
        glove_puppet gyroscope hobbyhorse hoop hula_hoop jack-in-the-box jigsaw_puzzle jump_rope kaleidoscope kite
        lantern magic_wand magnifying_glass mask model_airplane model_ship music_box origami_bird paint_box
        paper_crown party_hat periscope picture_book pinwheel pirate_hat pogo_stick pony_on_wheels
        rag_doll rattle robot rocket roller_skate sailboat scooter skateboard sled slingshot
        snow_globe spaceship spinning_top steamboat stuffed_bear stuffed_elephant stuffed_giraffe
        stuffed_penguin stuffed_rabbit sword submarine tambourine teddy_bear telescope tin_soldier
        toy_boat toy_castle toy_truck toy_train tractor trumpet tugboat unicorn wagon water_pistol
        whistle windmill wind-up_mouse/wind-up_mice wooden_horse xylophone yo-yo zebra_puppet""",
    "keepsake": """
        acorn_necklace badge bangle bead bell bow bracelet brass_key brooch button charm clasp coin comb compass
        fan feather_pen hair_ribbon hairpin handkerchief keychain lace_glove locket lucky_penny/lucky_pennies
        marble medal mirror mitten necklace notebook penknife/penknives pencil pendant photograph pocket_watch
        pouch purse ring ruler scarf/scarves seashell silver_spoon stamp star_pin thimble tiepin ticket
        glass_bottle hand_mirror wallet watch""",
    "find": """
        acorn beech_nut bird's_egg blackberry bottle_cap chestnut clover_leaf/clover_leaves
        cockleshell conker crystal dandelion_clock dragonfly_wing feather fern fir_cone flat_stone fossil
        lucky_clover gemstone hazelnut lump_of_amber maple_leaf/maple_leaves mushroom oak_leaf/oak_leaves
        owl_feather pebble pinecone piece_of_driftwood/pieces_of_driftwood rock rosehip seedpod sea_urchin
        snail_shell speckled_stone starfish/starfish striped_pebble toadstool twig walnut willow_twig""",
    "fruit": """
        apple apricot avocado banana blackberry blueberry cherry clementine coconut cranberry date fig gooseberry
        grapefruit grape kiwi lemon lime mandarin mango/mangoes melon mulberry nectarine orange papaya peach pear
        persimmon pineapple plum pomegranate quince raisin raspberry strawberry tangerine watermelon""",
    "treat": """
        almond_biscuit apple_dumpling apple_turnover bagel banana_muffin berry_tart biscuit blueberry_muffin
        brownie bun butterscotch_bar cake candy_cane caramel carrot_cake cheese_straw cherry_pie chocolate_cake
        chocolate_egg cinnamon_roll cookie cream_puff croissant cupcake currant_bun custard_tart date_square
        doughnut dumpling eclair fruitcake ginger_biscuit gingerbread_man/gingerbread_men gumdrop honey_cake
        jam_sandwich jam_tart lemon_bar lollipop macaroon marshmallow meringue muffin nut_bar oatcake oat_cookie
        pancake pastry peach_cobbler peppermint pie plum_cake popover pretzel pumpkin_pie raisin_bun rice_ball
        rice_cake scone shortcake sponge_cake strudel sugar_cookie taffy_stick tea_cake waffle""",
    "vegetable": """
        artichoke asparagus_stalk bean beet cabbage carrot cauliflower celery_stick cucumber eggplant garlic_bulb
        green_bean green_pepper leek lettuce onion parsnip pea pepper potato/potatoes pumpkin radish/radishes
        spinach_leaf/spinach_leaves squash sweet_potato/sweet_potatoes tomato/tomatoes turnip zucchini""",
    "creature": """
        alpaca ant antelope armadillo badger bat beaver beetle bison bumblebee butterfly camel caterpillar chameleon
        chipmunk cow crab cricket deer/deer donkey dormouse/dormice dragonfly elk ermine ferret fieldmouse/fieldmice
        firefly foal fox frog gazelle gecko glowworm goat grasshopper groundhog guinea_pig hamster hare hedgehog
        hippo honeybee horse kangaroo kitten ladybug lamb lizard llama meerkat mole moose/moose moth mouse/mice mule
        muskrat newt opossum otter ox/oxen pig piglet pony porcupine puppy rabbit raccoon ram reindeer/reindeer
        salamander sheep/sheep shrew skunk snail spider squirrel stag tadpole toad tortoise turtle vole weasel
        wombat woodchuck worm yak zebra""",
    "bird": """
        albatross blackbird bluebird bluejay bullfinch bunting canary cardinal chickadee chicken crane crow cuckoo
        dove duck eagle falcon finch flamingo goldfinch goose/geese grouse/grouse gull hawk heron hummingbird jackdaw
        jay kestrel kingfisher kite lapwing lark linnet magpie mockingbird nightingale nuthatch oriole ostrich osprey
        owl parrot partridge peacock pelican pheasant pigeon plover puffin quail raven robin rooster sandpiper
        seagull sparrow starling stork swallow swan swift thrush titmouse/titmice toucan turkey wagtail warbler
        waxwing woodpecker wren""",
    "songbird": """
        blackbird bluebird bluejay bullfinch canary cardinal chaffinch chickadee cuckoo dove finch goldfinch jay lark
        linnet magpie mockingbird nightingale nuthatch oriole pigeon robin skylark song_thrush sparrow starling
        swallow thrush titmouse/titmice warbler waxwing woodpecker wren""",
    "tree": """
        alder almond_tree apple_tree ash_tree aspen beech birch cedar cherry_tree chestnut_tree cypress elder_tree
        elm fig_tree fir_tree hawthorn hazel_tree holly_tree juniper larch laurel lemon_tree lime_tree linden
        magnolia maple mulberry_tree oak olive_tree orange_tree peach_tree pear_tree pine_tree plum_tree poplar
        redwood rowan_tree spruce sycamore walnut_tree willow yew""",
    "flower": """
        anemone aster azalea begonia bluebell buttercup camellia carnation chrysanthemum clover columbine cornflower
        cowslip crocus daffodil dahlia daisy dandelion forget-me-not foxglove geranium gladiolus/gladioli
        hollyhock honeysuckle hyacinth hydrangea iris jasmine larkspur lavender_bush lilac lily lily_of_the_valley
        lupine magnolia marigold morning_glory nasturtium orchid pansy peony petunia poppy primrose rose snapdragon
        snowdrop sunflower sweet_pea thistle tulip violet water_lily wild_rose wisteria zinnia""",
    "garment": """
        anorak apron beret blouse bonnet bow_tie cap cape cardigan cloak coat dress gown hat
        hood jacket jersey kilt kimono overcoat party_dress poncho pullover raincoat robe sash scarf/scarves
        shawl shirt skirt smock straw_hat sun_hat sweater sweatshirt T-shirt tunic vest waistcoat
        windbreaker bobble_hat""",
    "vehicle": """
        airplane ambulance barge bicycle bulldozer bus canoe car cart delivery_van dump_truck ferry fire_truck
        fishing_boat go-cart helicopter hot-air_balloon ice_cream_truck jeep milk_van motorboat motorcycle mail_truck
        pickup_truck police_car raft rowboat school_bus steam_train street_sweeper taxi tractor train
        tram tricycle wheelbarrow yacht""",
    "furniture": """
        armchair bathtub bed bench bookcase bookshelf/bookshelves bunk_bed cabinet chair \
            chest_of_drawers/chests_of_drawers
        clothes_basket coffee_table couch cradle cupboard curtain desk dresser fireplace footstool grandfather_clock
        hammock kitchen_table ladder laundry_basket piano pantry_shelf/pantry_shelves rocking_chair rug sewing_table
        shoe_rack sideboard sofa staircase stepladder stool stove toy_chest umbrella_stand wardrobe washing_machine
        window_seat wood_stove workbench""",
    "container": """
        backpack barrel basket biscuit_tin bowl box bucket canvas_bag cardboard_box chest clay_pot cookie_jar crate
        drawer egg_carton flowerpot handbag hatbox jar jug lunch_box mug paper_bag parcel pencil_case pouch sack
        saddlebag shoebox suitcase teapot tin toolbox treasure_chest trunk vase wicker_basket wooden_bowl""",
    "tool": """
        ax/axes broom brush chisel clamp drill dustpan fishing_net fork funnel hammer hoe jackknife/jackknives
        ladder mallet mop oilcan paintbrush pitchfork pot_of_glue/pots_of_glue
        rake rope saw screwdriver shovel sieve spade spanner sponge tape_measure toolbox
        trowel watering_can wheelbarrow whisk wrench""",
    "instrument": """
        accordion banjo bassoon bugle cello clarinet concertina cornet dulcimer fiddle flute French_horn glockenspiel
        guitar harmonica harp harpsichord horn kettledrum lute lyre mandolin oboe organ piano piccolo recorder
        saxophone snare_drum sitar trombone trumpet tuba ukulele viola violin xylophone zither""",
    "job": """
        actor architect artist astronaut baker barber beekeeper blacksmith bookseller builder bus_driver
        butcher captain carpenter chef clockmaker clown cobbler cook dancer dentist detective doctor drummer
        engineer explorer farmer firefighter fisher florist gardener goldsmith inventor jeweler juggler
         librarian lifeguard lighthouse_keeper magician mail_carrier mayor mechanic milliner miller musician
        nurse painter photographer pilot pirate poet potter puppeteer ranger sailor scientist sculptor
        shepherd shopkeeper singer storyteller tailor teacher train_driver vet weaver zookeeper""",
    "room": """
        attic basement bathroom bedroom cellar closet dining_room garage hall hallway kitchen laundry_room library
        living_room nursery pantry parlor playroom porch sewing_room shed storeroom study sunroom workshop""",
    "sea_thing": """
        anchor barnacle clam coral_reef crab dolphin fishing_boat hermit_crab jellyfish/jellyfish lighthouse lobster
        mussel octopus oyster porpoise rowboat sailboat seahorse seal shrimp/shrimp turtle walrus whale""",
    "sky_thing": """cloud comet constellation crescent_moon hot-air_balloon moonbeam planet rainbow shooting_star
        star sunbeam sunrise sunset thundercloud""",
    "gift": """
        bar_of_soap/bars_of_soap basket_of_fruit/baskets_of_fruit book bookmark bouquet \
            box_of_crayons/boxes_of_crayons
        bunch_of_flowers/bunches_of_flowers candle clay_bowl crayon_drawing garland greeting_card
        homemade_card jar_of_honey/jars_of_honey jar_of_jam/jars_of_jam knitted_scarf/knitted_scarves
        letter painted_stone painting paper_chain paper_flower paper_lantern paper_star pincushion poem
        pot_of_tulips/pots_of_tulips quilt shell_necklace sketch song_book storybook tea_cozy wreath""",
    "little_animal": """
        beetle bumblebee bunny chipmunk cricket dormouse/dormice ferret fieldmouse/fieldmice frog gecko
        grasshopper guinea_pig hamster hedgehog kitten ladybug lizard mole mouse/mice newt porcupine puppy rabbit
        salamander shrew spider squirrel toad tortoise turtle vole weasel hare gray_cat tabby_cat baby_rabbit
        fox_cub duckling gosling""",
    "big_animal": """
        bull calf/calves cow donkey foal goat horse mare mule pony ram sheep/sheep sheepdog carthorse billy_goat
        shaggy_dog nanny_goat stag ox/oxen""",
    "road_vehicle": """
        ambulance bicycle bulldozer bus car cart delivery_van dump_truck fire_truck go-cart hay_wagon
        ice_cream_truck jeep limousine mail_truck milk_van minibus motorcycle pickup_truck police_car postal_van
        school_bus scooter sports_car street_sweeper taxi tow_truck tractor tram tricycle truck trolley wagon
        wheelbarrow""",
    "seat": """
        bench crate stool barrel wooden_box step log upturned_bucket suitcase stone footstool chair tree_stump
        bale_of_hay/bales_of_hay cushion pile_of_planks/piles_of_planks low_wall garden_chair""",
    "box": """
        basket biscuit_tin box chest crate cupboard hamper hatbox leather_bag satchel shoebox suitcase toy_box
        toy_chest travel_bag treasure_chest trunk wardrobe wicker_basket wooden_chest""",
    "load": """
        backpack basket box bundle canvas_bag case crate hamper package parcel rucksack sack saddlebag suitcase
        trunk wicker_basket wooden_chest sack_of_potatoes/sacks_of_potatoes bag_of_flour/bags_of_flour""",
}

VERBS: Final[dict[str, str]] = {
    "walk": """
        amble bound dance dash hike hop hurry jog march meander pad parade plod prance run/ran/running rush
        saunter scamper scurry skip stride/strode/striding stroll strut tiptoe/tiptoed/tiptoeing toddle tramp
        trot trudge waddle walk wander wind/wound/winding""",
    "hurry": """bolt dart dash fly/flew/flying gallop hasten hurry hustle race run/ran/running rush scamper scurry
        speed/sped/speeding sprint whizz zip zoom""",
    "trudge": """drift limp plod shuffle slink/slunk/slinking straggle tramp trail trudge wander walk""",
    "look": """
        gaze look peer stare""",
    "chirp": """cheep chirp chirrup chatter sing/sang/singing trill tweet twitter warble whistle pipe""",
    "scuttle": """crawl creep/crept/creeping dart hop hurry nibble_leaves rest scamper scurry scuttle shuffle
        sit/sat/sitting snooze sniff_around stretch wriggle yawn doze wander pause stop_to_listen""",
    "tremble": """freeze/froze/freezing quake quiver shake/shook/shaking shiver shudder tremble wobble""",
    "gobble": """bite_into/bit_into/biting_into chew devour eat/ate/eating enjoy finish gobble gulp_down munch nibble
        sample savor share swallow taste try""",
    "clap": """
        cheer clap dance hop jump laugh sing/sang/singing twirl whoop rejoice shout whistle""",
    "clean": """brush clean dry dust mop polish rinse rub scour scrub shine sweep/swept/sweeping tidy wash wipe""",
    "search": """
        fumble hunt look peek peer poke_about rummage search feel/felt/feeling""",
    "bloom": """bloom blossom droop dance flutter glow nod open rustle shimmer sparkle sway tremble wave""",
    "shine": """blaze blink dazzle flash flicker gleam glimmer glint glisten glitter glow shimmer shine/shone/shining
        sparkle twinkle""",
    "blow": """blow/blew/blowing bluster gust howl moan roar rush sigh sing/sang/singing whine whirl whisper \
        whistle"""
    "",
    "carry": """bring/brought/bringing carry drag haul heave lift lug push pull roll take/took/taking tow tug wheel"""
    "",
    "plan": """arrange dream_about imagine plan prepare talk_about think_about/thought_about/thinking_about
        whisper_about discuss""",
    "shout": """bellow call cheer cry holler scream shout shriek yell""",
    "enjoy": """admire adore cherish enjoy love treasure""",
    "rest": """doze lounge nap rest relax sit/sat/sitting snooze sprawl lie_down/lay_down/lying_down stretch_out""",
    "skip": """
        bounce bound caper dance frolic/frolicked/frolicking gallop hop leap/leapt/leaping prance scamper skip \
            sing/sang/singing trot
        twirl whistle chatter giggle hum""",
}

TABLES: Final[dict[str, tuple[str, str]]] = {
    # A table is (names of its forms, rows); "_" as the first form name is the entry itself.
    "elder": (
        "_ he",
        """Mom | she
        Dad | he
        Mama | she
        Papa | he
        Mother | she
        Father | he
        Grandma | she
        Grandpa | he
        Granny | she
        Grandfather | he
        Grandmother | she
        Aunt May | she
        Aunt Opal | she
        Aunt Ginny | she
        Aunt Rosa | she
        Aunt Tabitha | she
        Aunt Philippa | she
        Uncle Clive | he
        Uncle Norman | he
        Uncle Bertrand | he
        Uncle Desmond | he
        Uncle Hal | he""",
    ),
    "species": (
        "_ home",
        """fox | den
        rabbit | burrow
        bear | cave
        mouse | mousehole
        squirrel | hollow tree
        badger | sett
        hedgehog | leafy nest
        otter | riverbank den
        beaver | lodge
        kitten | cottage
        puppy | kennel
        mole | tunnel
        raccoon | tree house
        hamster | cozy nest
        chipmunk | burrow
        koala | treetop home
        panda | bamboo hut
        lion cub | rocky den
        tiger cub | jungle den
        weasel | den
        wombat | burrow
        dormouse | snug nest
        ferret | den
        hare | grassy nest
        lynx cub | cave
        meerkat | burrow
        polar bear | snow cave
        wolf cub | den
        guinea pig | hutch
        marmot | burrow
        red panda | treetop nest
        water vole | riverbank burrow
        leopard cub | rocky cave
        field mouse | grassy nest
        opossum | hollow log""",
    ),
    "stranger": (
        "_",
        """old sailor
        old farmer
        tired traveler
        old shepherd
        gray-haired painter
        street musician
        mail carrier
        old clockmaker
        weary peddler
        young beekeeper
        friendly baker
        retired teacher
        quiet fisher
        old puppeteer
        shy poet
        kite maker
        lighthouse keeper
        young tailor
        traveling storyteller
        old basket weaver
        bird-watcher
        flower seller
        apple picker
        old toymaker
        circus juggler
        wandering fiddler
        candle maker
        old potter
        ferry captain
        chimney sweep
        village librarian
        tall magician
        map maker
        old gardener""",
    ),
    "old_animal": (
        "_",
        """old tortoise
        gray goose
        old toad
        sleepy heron
        white-haired goat
        old donkey
        tired hare
        wise old owl
        wrinkled elephant
        old sheepdog
        limping crow
        gray mule
        lonely porcupine
        weary camel
        shy deer
        old duck
        lost lamb
        plump pheasant
        tall crane
        old turtle
        one-eared cat
        weary pony
        little swallow
        young turkey
        gray-feathered pigeon
        old badger with a cane
        short-sighted pelican""",
    ),
    "place": (
        "_ at",
        """park | in the park
        beach | at the beach
        meadow | in the meadow
        river | by the river
        hill | on the hill
        lake | by the lake
        forest | in the forest
        orchard | in the orchard
        village green | on the village green
        pond | by the pond
        old mill | by the old mill
        playground | at the playground
        market | at the market
        harbor | at the harbor
        farm | on the farm
        vineyard | in the vineyard
        valley | in the valley
        waterfall | near the waterfall
        stone bridge | by the stone bridge
        town square | in the town square
        apple orchard | in the apple orchard
        bamboo grove | in the bamboo grove
        blackberry lane | along the blackberry lane
        cherry grove | in the cherry grove
        clover field | in the clover field
        cornfield | in the cornfield
        duck pond | by the duck pond
        fairground | at the fairground
        fishing pier | on the fishing pier
        hayfield | in the hayfield
        heath | on the heath
        island | on the island
        jetty | on the jetty
        lighthouse | near the lighthouse
        mountain path | on the mountain path
        oak wood | in the oak wood
        old quarry | near the old quarry
        pasture | in the pasture
        pine forest | in the pine forest
        public garden | in the public garden
        pumpkin patch | in the pumpkin patch
        riverbank | on the riverbank
        rocky shore | along the rocky shore
        rose garden | in the rose garden
        sand dunes | among the sand dunes
        seaside | at the seaside
        shore | on the shore
        sunflower field | in the sunflower field
        train station | near the train station
        tulip field | in the tulip field
        watermill | by the watermill
        well | beside the well
        wheat field | in the wheat field
        windmill | near the windmill
        woods | in the woods
        zoo | at the zoo
        canal | beside the canal
        bay | by the bay
        botanical garden | in the botanical garden
        castle ruins | among the castle ruins
        cove | in the cove
        creek | by the creek
        footbridge | near the footbridge
        glade | in the glade
        hilltop | on the hilltop
        hollow | in the hollow
        lagoon | by the lagoon
        marsh | by the marsh
        moor | on the moor
        nature trail | on the nature trail
        skating rink | at the skating rink
        spring | beside the spring
        stables | near the stables
        stream | by the stream
        walled garden | in the walled garden""",
    ),
    "old_place": (
        "_ at",
        """valley | in the valley
        river | by the river
        hill | on the hill
        lake | by the lake
        forest | in the forest
        stone bridge | by the stone bridge
        waterfall | near the waterfall
        mountain path | on the mountain path
        moor | on the moor
        marsh | by the marsh
        heath | on the heath
        meadow | in the meadow
        cliffs | on the cliffs
        old oak | under the old oak""",
    ),
    "indoor_spot": (
        "_",
        """under the bed
        behind the sofa
        at the bottom of the laundry basket
        under the porch steps
        on top of the wardrobe
        at the back of the cupboard
        beneath the kitchen table
        behind the bookshelf
        under a heap of blankets
        on the windowsill behind the curtain
        under the stairs
        on the top shelf of the pantry
        behind a row of jam jars
        beneath the rocking chair
        behind the piano
        in the bathtub
        under an old quilt
        in the corner behind the coats
        inside the broom closet
        behind the stove
        under the window seat
        beside the grandfather clock
        in the attic
        in the cellar
        behind the dresser""",
    ),
    "outdoor_spot": (
        "_",
        """beneath a pile of leaves
        behind the garden shed
        among the flowerpots
        under a wheelbarrow
        in a hollow log
        in the fork of an apple tree
        at the edge of the pond
        in the tall grass by the gate
        between the roots of an oak
        behind the woodpile
        beside the chicken coop
        in the sandbox
        beneath a bramble bush
        in the middle of the haystack
        behind the rain barrel
        under a park bench
        in a patch of clover
        behind a mossy rock
        in a ditch full of buttercups
        on the bottom step of the bridge
        between two fence posts
        under the old slide
        beside the swings
        in the reeds
        on a low branch
        in the shade of a hedge
        next to the fountain
        behind the milk cart
        among the cabbages
        under a row of bean plants
        at the foot of a signpost
        on a heap of straw""",
    ),
    "tiny_spot": (
        "_",
        """in the cookie jar
        inside a muddy boot
        between two cushions
        in the pocket of an old coat
        inside an empty watering can
        inside a teapot
        in the bottom of a backpack
        in an upturned umbrella
        inside a flowerpot
        under a folded newspaper
        inside the piano stool
        under the doormat
        in the toe of a slipper
        in a drawer full of spoons
        in a hatbox
        behind the mirror
        in the sugar bowl
        under the rug
        in the egg basket
        inside a rolled-up map
        in the cuckoo clock
        between the pages of an atlas""",
    ),
    "hideout": (
        "_",
        """under the bed
        behind the sofa
        behind the curtain
        under the kitchen table
        in the wardrobe
        behind the woodpile
        under a heap of blankets
        behind the garden shed
        in the laundry basket
        under the stairs
        behind a haystack
        beneath a big umbrella
        inside a barrel""",
    ),
    "skill": (
        "_ doing did mistake tip",
        """ride a bicycle | riding a bicycle | rode the bicycle | wobbled and tipped over into the grass | Look \
            straight ahead and keep your legs moving
        swim | swimming | swam | swallowed a mouthful of water | Kick gently and keep your chin up
        whistle | whistling | whistled | made nothing but a puff of air | Make your lips small and blow softly
        juggle | juggling | juggled | dropped every ball on the floor | Start with two and watch the top of the throw
        skate | skating | skated | slid sideways and sat down with a bump | Bend your knees and push with one foot \
            at a time
        tie a bow | tying a bow | tied the bow | got the laces into a terrible knot | Make two loops like rabbit ears
        play the flute | playing the flute | played the flute | made a squeak like an angry mouse | Breathe slowly \
            and cover every hole
        paint a portrait | painting portraits | painted a portrait | made the nose as long as a carrot | Look twice \
            and paint once
        bake bread | baking bread | baked the bread | took a loaf as hard as a brick out of the oven | Let the \
            dough rest until it doubles
        knit | knitting | knitted | made a scarf full of holes | Count the stitches at the end of each row
        climb the rope | climbing the rope | climbed the rope | slid all the way back down | Hold the rope with \
            your feet as well
        read | reading | read the whole page | mixed up all the letters | Put your finger under each word
        dive | diving | dived in | landed flat with an enormous splash | Tuck in your head and point your toes
        row a boat | rowing a boat | rowed the boat | went round and round in circles | Pull both oars at the same \
            time
        fly a kite | flying a kite | flew the kite | got the string caught in a hedge | Run into the wind and let \
            the string out slowly
        do a cartwheel | doing cartwheels | did a cartwheel | toppled over like a sack of turnips | Keep your arms \
            strong and your legs long
        play the drum | playing the drum | played the drum | hit the beat far too early | Count to four before each \
            beat
        write a poem | writing poems | wrote a poem | could not find a single rhyme | Begin with something you love
        skip stones | skipping stones | skipped a stone | watched each stone sink with a plop | Choose a flat stone \
            and throw it low
        dance a waltz | dancing a waltz | danced the waltz | stepped on everybody's toes | Listen to the music \
            before you move
        ski | skiing | skied down the slope | rolled down the slope like a snowball | Point your toes together when \
            you want to stop
        tell jokes | telling jokes | told a joke | forgot the funny part at the end | Take a breath before the last \
            line
        fold a paper crane | folding paper cranes | folded a paper crane | ended up with a crumpled ball | Press \
            every crease flat
        hit the ball | hitting the ball | hit the ball | missed and spun round like a top | Keep your eyes on the ball
        balance on the beam | balancing on the beam | balanced on the beam | tumbled onto the mat | Stretch out \
            both arms and look ahead
        spell long words | spelling long words | spelled the longest word | left out half of the letters | Say each \
            bit of the word out loud
        catch a fish | catching fish | caught a fish | pulled up an old boot | Sit still and wait for the tug
        sing in tune | singing in tune | sang in tune | sang so high that the dog hid | Listen first and hum along
        plant seeds in a straight line | planting seeds | planted a whole row | scattered seeds on the path | \
            Stretch a string along the ground
        tell the time | telling the time | told the time | mixed up the two hands of the clock | Look at the short \
            hand first""",
    ),
    "fear": (
        "_ worry truth help",
        """the dark | something with long claws was waiting in the corner | the scary shape was only a coat on a \
            hook | a small lamp
        thunder | the sky was cracking into pieces | the noise was only clouds bumping together | a warm blanket
        deep water | the water had no bottom | it was easy to float when you lay back | a bright rubber ring
        big dogs | every dog wanted to bite | the big dog only wanted its ears scratched | a crunchy biscuit
        spiders | the spider would jump | the spider was far too busy with its web | a magnifying glass
        high places | the ground would tip away | the view was beautiful when you looked slowly | a pair of binoculars
        the attic | a ghost lived among the boxes | the moaning came from a loose shutter | a bright flashlight
        the new school | nobody would say hello | everyone else was a little shy too | a lucky button
        the dentist | it would hurt for weeks | the dentist was gentle and told funny riddles | a soft toy
        loud noises | the bang would never stop | the bangs turned into colored sparks in the sky | a pair of earmuffs
        speaking in front of people | all the words would fly away | the listeners were smiling the whole time | a \
            card with three little notes
        bees | every bee wanted to sting | the bees only cared about the flowers | a hat with a fine net
        the slide | the slide went on forever | it was over in one happy whoosh | a soft blue cushion
        strange sounds at night | a monster was scratching on the wall | it was only a branch touching the window | \
            a cup of warm milk
        the barber | the scissors would snip an ear | the scissors only made a tickly whisper | a funny picture book
        geese | the geese were hissing at everybody | the geese were just guarding their fluffy babies | a handful \
            of grain
        the cellar | something was breathing in there | the breathing was only the old pipes | a shiny lantern
        the deep forest | the trees were whispering secrets | the whisper was only wind in the leaves | a map with \
            every path on it
        getting lost | the road home would vanish | there was always somebody kind to ask | a whistle on a string
        horses | the horse would gallop away | the horse had the softest nose in the world | a slice of apple""",
    ),
    "contest": (
        "_ practice practiced moment prize",
        """sack race | hopping in a sack | hopped up and down the path in a sack | hopped past the last marker | a \
            blue ribbon
        pie contest | rolling out pastry | rolled out pastry until the table was white with flour | lifted a golden \
            pie onto the table | a silver spoon
        sandcastle contest | building towers out of sand | built tower after tower | put a feather on the tallest \
            tower | a shiny bucket
        spelling bee | spelling hard words | spelled words at breakfast, lunch, and supper | spelled the last word \
            without a slip | a thick dictionary
        singing contest | singing scales | sang to the cows in the field | held the last note long and clear | a \
            golden star
        kite-flying contest | flying in strong winds | ran up and down the hill with a ball of string | sent the \
            kite higher than the church tower | a wooden spool
        drawing contest | drawing horses and trees | drew until the pencils were tiny stumps | added the last line \
            to the picture | a box of new paints
        swimming race | kicking with straight legs | swam across the pond again and again | touched the far wall | \
            a bronze medal
        egg-and-spoon race | walking with a steady spoon | walked round the yard with an egg on a spoon | crossed \
            the line with the egg still on the spoon | a chocolate egg
        snow sculpture contest | shaping snow into animals | shaped snow into rabbits and bears | set the last ear \
            on a snow rabbit | a pair of warm gloves
        dance contest | spinning and bowing | danced up and down the hall | finished with a bow | a pair of silk shoes
        chess tournament | moving knights and bishops | played chess against the clock | moved the last pawn | a \
            carved wooden king
        vegetable show | watering a pumpkin every day | watered a pumpkin morning and night | rolled the biggest \
            pumpkin onto the scale | a green certificate
        boat race | steering round the buoys | sailed a small boat round the bay | steered round the last buoy | a \
            brass bell
        storytelling contest | telling stories aloud | told stories to a row of stuffed animals | spoke the last \
            words in a hush | a leather book
        talent show | walking on stilts | walked on stilts all over the yard | took a bow on top of the stilts | a \
            gold rosette
        running race | running up hills | ran up the hill each day before breakfast | reached the finishing line | \
            a little cup
        bicycle race | pedaling round corners | pedaled round and round the barn | rang the bell at the finishing \
            line | a red helmet""",
    ),
    "dish": (
        "_ first then mishap",
        """vegetable soup | chopped the carrots and the onions | stirred the pot with a long spoon | the soup \
            bubbled over the side
        pancakes | cracked the eggs into a bowl | flipped each one in the pan | one pancake stuck to the ceiling
        banana bread | mashed the bananas with a fork | poured the batter into a tin | a whole bag of flour fell on \
            the floor
        apple pie | peeled a mountain of apples | pinched the crust around the edge | the first crust tore in the \
            middle
        pizza | stretched the dough into a circle | sprinkled cheese all over the top | the dough stuck to \
            everybody's fingers
        a birthday cake | creamed the butter and the sugar | spread the icing with a flat knife | the top of the \
            cake slid sideways
        cheese muffins | grated a lump of cheese | filled twelve paper cups | the smoke made everyone cough
        blueberry jam | washed a bucket of blueberries | boiled the berries with sugar | the pot turned everything \
            purple
        dumplings | rolled the dough into little balls | dropped them gently into the pot | the dumplings all stuck \
            together
        chocolate pudding | melted the chocolate over a low flame | whisked it until it was smooth | the pudding \
            was full of lumps
        fruit salad | sliced the peaches and the grapes | squeezed a lemon over the bowl | the whole bowl tipped \
            onto the floor
        corn chowder | scraped the corn from the cobs | added cream and a pinch of salt | someone put in sugar \
            instead of salt
        gingerbread | measured the ginger and the cinnamon | cut out stars and moons | one tray of stars burned black
        noodle soup | boiled the noodles in a big pot | added beans and a little pepper | far too much pepper went \
            into the pot
        oatmeal cookies | mixed oats with honey | dropped spoonfuls onto a tray | the cookies ran together into one \
            giant cookie
        rice and beans | rinsed the rice three times | simmered the beans with garlic | the pan boiled dry
        potato pancakes | grated the potatoes | fried them until they were crisp | the bowl tipped over with a splash
        strawberry tarts | rolled the pastry very thin | put a strawberry in the middle of each one | the dog ran \
            off with two tarts
        tomato sauce | squashed the tomatoes by hand | let the pot simmer for an hour | red juice splashed all over \
            the wall
        lemon cake | rubbed the peel from two lemons | folded in the egg whites | the cake sank in the middle
        bread rolls | kneaded the dough until it was soft | shaped the rolls into knots | the yeast made the dough \
            climb out of the bowl
        stuffed peppers | scooped the seeds out of the peppers | packed them with rice and herbs | the peppers kept \
            falling over
        waffles | beat the batter until it was fluffy | pressed them in the hot iron | batter dripped all over the \
            stove
        a peach cobbler | pitted a basket of peaches | crumbled the topping over the fruit | the oven was still \
            stone cold""",
    ),
    "broken": (
        "_ broke mended",
        """vase | fell off the shelf and cracked in two | glued the pieces back together
        teapot | slipped and lost its handle | fixed a new handle on with wire and glue
        music box | stopped playing after a bump | put a tiny spring back in its place
        kite | caught on a thorn and ripped | sewed a neat patch over the hole
        rocking horse | lost a leg with a loud snap | fitted a new wooden leg
        clock | tumbled down and stopped ticking | cleaned every little wheel
        picture frame | hit the floor and came apart | nailed the corners tight again
        doll | lost an arm in a tug-of-war | stitched the arm on with strong thread
        toy boat | hit a rock and sprang a leak | filled the crack with wax
        lantern | rolled down the steps and bent | hammered the frame straight
        umbrella | turned inside out in the wind | bent the ribs back and tied them
        fiddle | dropped and lost a string | tied on a brand-new string
        bowl | bounced off the table and split | joined the halves with golden glue
        wagon | lost a wheel on a stone | hammered on a new wheel
        bicycle | crashed into a fence and bent a wheel | straightened the spokes one by one
        snow globe | sprang a leak and ran dry | filled it with clean water and new glitter
        chair | tipped over and lost a rung | fitted a new rung made from an ash branch
        storybook | fell in a puddle and came apart | dried the pages and sewed the spine
        birdhouse | blew down and lost its roof | nailed on a roof made of bark
        drum | got a hole right through the skin | stretched a new skin across the top
        train set | got trodden on and jumped its track | bent the rails back into shape
        garden gate | came off its hinges | screwed the hinges back on
        puppet | tangled its strings in a door | untied each knot and added new strings
        telescope | dropped down the stairs and went blurry | set the glass straight again""",
    ),
    "lie": (
        "_ confession excuse mess",
        """broken the blue vase | I broke the blue vase | It must have been the wind | the bits of china on the carpet
        eaten the last pie | I ate the last pie | Perhaps a fox came in | the crumbs on the empty plate
        spilled ink on the rug | I spilled the ink | The cat must have done it | the black puddle on the rug
        lost the house key | I lost the key | Somebody must have borrowed it | the empty hook by the door
        let the hens out | I left the gate open | The latch is very old | the empty hen house
        picked the best roses | I picked the roses | Maybe the rabbits ate them | the bare stems on the rosebush
        drawn on the wall | I drew on the wall | It was like that already | the wobbly horses on the wall
        torn the picture book | I tore the book | It was an old book anyway | the ripped pages under the chair
        forgotten to feed the rabbit | I forgot to feed the rabbit | I think it was not hungry | the empty food bowl
        cracked the window | I cracked the window with my ball | A bird must have flown into it | the long crack in \
            the glass
        lost the library book | I left the book out in the rain | I gave it back last week | the soggy book under \
            the hedge
        taken coins from the jar | I took the coins | Maybe there is a hole in the jar | the nearly empty jar
        knocked over the paint | I knocked over the paint | The dog's tail did that | the green footprints in the hall
        trampled the bean plants | I ran through the beans | It was probably a goat | the flat plants in the \
            vegetable patch
        hidden the broken cup | I hid the broken cup | I have not seen that cup all day | the sharp bits behind the \
            flour bin
        used up all the honey | I finished the honey | Bears like honey, you know | the sticky, empty jar
        cut the curtain | I cut the curtain with the scissors | Moths make holes, I think | the square hole in the \
            curtain
        popped all the balloons | I popped the balloons | It was awfully hot in here | the scraps of rubber on the \
            floor""",
    ),
    "project": (
        "_ parts step trouble",
        """tree house | planks, nails, and rope | nailed the planks across two branches | the floor tilted like a \
            slide
        raft | logs and barrels | tied the logs together with rope | one corner kept sinking
        snow fort | hundreds of blocks of snow | stacked the blocks in a ring | the wall slid down in a heap
        puppet theater | an old box and a velvet curtain | painted stars around the stage | the curtain would not open
        go-cart | four wheels and a wooden crate | bolted the wheels to the crate | the front wheels pointed \
            different ways
        birdhouse | six thin boards and a perch | cut a round door in the front | the roof was too small
        scarecrow | straw, a broom, and a torn coat | stuffed the coat with straw | the head kept rolling off
        swing | a plank and two strong ropes | hung the ropes from the elm | one rope was longer than the other
        dam | stones, mud, and branches | packed mud between the stones | the water rushed right through
        paper airplane with giant wings | cardboard and tape | folded the wings as wide as a table | the nose \
            drooped like a sad flower
        bridge | flat stones and a fallen log | rolled the log across the stream | the log spun when anyone stepped \
            on it
        doghouse | crates and a sheet of tin | hammered tin over the roof | the door was far too narrow
        windmill | a pole and four cloth sails | sewed the sails with thick thread | the sails would not turn
        rocket out of boxes | boxes, foil, and string | glued silver foil all over the sides | the top fell off at \
            once
        pond for frogs | spades, clay, and buckets of water | dug a wide, round hole | the water drained away \
            overnight
        bakery stall | a table, a striped sheet, and a bell | painted a sign in big letters | the sign blew down \
            the road
        weather vane | copper wire and a tin rooster | fixed the rooster to a pole | the rooster always pointed the \
            same way
        lemonade stand | boxes, lemons, and paper cups | squeezed lemons until the jug was full | nobody could find \
            the sugar""",
    ),
    "crop": (
        "_ sprouted grew",
        """sunflower | a thick green stalk | a flower as wide as a plate
        pumpkin | a curling vine | a pumpkin bigger than a stool
        bean | two round leaves | a bean plant taller than the fence
        carrot | a feathery green top | a carrot as long as an arm
        tomato | a fuzzy little stem | a bush hung with red tomatoes
        strawberry | three jagged leaves | a bowlful of shining strawberries
        sweet pea | a thin, climbing shoot | a curtain of pink blossoms
        marigold | a ferny sprig | a round orange blossom
        melon | a creeping stem | a striped melon that needed two to lift it
        poppy | a hairy gray bud | a red poppy like a tiny parachute
        corn | a blade like green paper | a row of corn that rustled all day
        lettuce | a frilly rosette | a lettuce as big as a hat
        radish | two heart-shaped leaves | a crisp pink radish
        cucumber | a prickly shoot | a basketful of cool cucumbers
        apple | a thin brown stem with one leaf | a sapling with a single pink blossom
        hollyhock | a soft round leaf | a tower of purple flowers
        onion | a spear as thin as a needle | a fat golden onion
        cabbage | a wrinkled blue-green leaf | a cabbage that filled the whole wheelbarrow
        nasturtium | a leaf like a tiny umbrella | a carpet of orange trumpets
        lavender | a silvery sprig | a bush that hummed with bees""",
    ),
    "sound": (
        "_ cause",
        """a soft scratching noise | a family of mice moving house
        a strange tapping sound | a woodpecker looking for its lunch
        a low moaning sound | the wind blowing across an empty bottle
        a faint jingling sound | a goat with a bell around its neck
        a peculiar squeaking noise | a rusty gate swinging to and fro
        a gentle humming sound | a hive full of busy bees
        a loud thumping noise | a rabbit stamping its foot
        a steady dripping sound | a leaky tap in the yard
        a long, low whistle | a hole in the old drainpipe
        a rustling sound | a hedgehog under the dry leaves
        a funny croaking sound | a frog in the watering can
        a creaking noise | an old swing moving in the breeze
        a quick pattering noise | pinecones dropping on the roof
        a mysterious hooting noise | a baby owl calling for its supper
        a sad mewing sound | a kitten stuck on top of the shed
        a strange bubbling noise | a kettle that someone had forgotten
        a clattering noise | a raccoon trying on a tin bucket
        a sleepy snoring sound | a bear cub dozing behind the hedge
        a flapping sound | a shirt that had escaped from the washing line
        a tinkling sound | a string of shells hanging in a tree""",
    ),
    "secret": (
        "_ door inside",
        """cave | behind a curtain of ivy | walls that glittered with crystals
        garden | behind a crumbling wall | roses growing over a marble fountain
        tiny island | beyond a row of stepping stones | a hut made of driftwood
        clearing | beyond a gap in the hedge | a ring of white mushrooms
        tower | at the top of a winding stone stair | a round window that looked out to sea
        tunnel | under the roots of a giant oak | smooth stones painted with stars
        library | behind a squeaky panel | shelves of books right up to the ceiling
        attic room | at the top of a folding ladder | trunks full of old costumes
        waterfall pool | beyond a screen of ferns | fish that shone like coins
        greenhouse | behind the tallest nettles | lemon trees in blue pots
        tree hollow | under a flap of bark | a nest of silver paper
        boathouse | behind the whispering reeds | a small boat with a painted eye
        courtyard | behind a door with no handle | a sundial and a sleeping cat
        meadow | beyond the thorny lane | a hundred sorts of butterfly
        chapel | at the end of a sunken path | windows that turned the light to jewels
        workshop | behind a heap of barrels | clockwork birds in every corner
        orchard | on the far side of the brook | plums as big as eggs
        cellar | beneath a wooden hatch | jars of buttons in every color""",
    ),
    "baby_animal": (
        "_ young trouble safe",
        """baby robin | chick | had fallen out of its nest | back in its nest
        duckling | duckling | was caught in the reeds | back in the pond with its family
        kitten | kitten | was stuck at the top of a fence | safe in a basket
        fawn | fawn | had a hoof caught between two roots | back beside its mother
        hedgehog | hedgehog | was trapped in a deep flowerpot | safe under a heap of leaves
        turtle | turtle | had rolled over onto its back | safe in the cool water
        lamb | lamb | was tangled in a bramble bush | back with the rest of the flock
        puppy | puppy | had slipped into a muddy ditch | warm and dry by the stove
        butterfly | butterfly | was caught in a spider's web | free above the flowers
        baby squirrel | squirrel | was hanging from a thin twig | safe in its hollow tree
        frog | frog | was stuck in an empty jar | back among the lily pads
        gosling | gosling | had wandered away from the flock | back under its mother's wing
        piglet | piglet | was wedged under a gate | back in its cozy sty
        baby rabbit | bunny | was hiding from the noisy crowd | safe in its burrow
        owlet | owlet | could not fly back up to its branch | high up on its branch again
        foal | foal | was shivering behind a wall | back in its warm stable
        chick | chick | was lost among the cabbages | back with the mother hen
        bat pup | bat | had tumbled onto the path | hanging safely in its cave
        beetle | beetle | had fallen into a puddle | dry on a sunny leaf
        sparrow | bird | had hurt one of its wings | flying again above the roofs""",
    ),
    "occasion": (
        "_ activity",
        """birthday | blew out the candles
        party | danced in a circle
        welcome supper | raised their cups
        picnic | sat down on a checked cloth
        tea party | passed the cups around
        festival | hung up paper lanterns
        parade | marched behind a drum
        feast | filled every plate
        costume ball | twirled in their masks
        puppet show | clapped at the funny puppets
        treasure hunt | followed the clues one by one
        garden concert | sang all the old songs
        moonlight walk | followed the path with lanterns""",
    ),
    "wish": (
        "_ got",
        """a friend to play with | somebody new was sitting on the step with a shy smile
        snow | the whole world was white and quiet
        a day by the sea | a picnic basket and a striped towel were waiting by the door
        a real adventure | a folded map was lying on the doorstep
        a little pet | something small and fluffy was asleep in a basket
        rain for the thirsty garden | the first fat drops were tapping on the roof
        a letter from far away | an envelope with a bright stamp was lying on the mat
        a book full of pictures | a parcel wrapped in brown paper was standing by the bed
        a song to sing | a blackbird was singing a brand-new tune on the sill
        a warm coat | a coat with deep pockets was hanging on the hook
        a visit from a cousin | a suitcase with a red strap was standing in the hall
        a ride on a boat | a painted boat was bobbing at the end of the jetty""",
    ),
    "storm": (
        "_ sky noise shelter",
        """storm | The sky turned the color of slate | Thunder rolled over the hills | an old barn
        thunderstorm | Black clouds piled up like mountains | Lightning flashed and thunder boomed | a shepherd's hut
        snowstorm | The air filled with whirling snowflakes | The wind howled around every corner | a woodcutter's \
            cabin
        hailstorm | The light turned a strange yellow-gray | Hailstones rattled down like marbles | a stone archway
        gale | The clouds raced across the sky | The trees creaked and groaned | a little cave
        rainstorm | A gray curtain of rain swept closer | Water gurgled down every path | a bus shelter
        blizzard | Snow flew sideways in thick sheets | The wind roared like a train | a ranger's lodge
        windstorm | Dust and leaves whirled into the air | Shutters banged up and down the road | an empty stable
        cloudburst | A huge purple cloud covered the sun | Rain drummed on every leaf | a hollow tree
        squall | Dark waves of cloud rolled in | The wind tore at hats and coats | a fisherman's hut""",
    ),
    "dragon_want": (
        "_ reason remedy",
        """roaring | had a terrible toothache | pulled out the aching tooth with a strong rope
        breathing smoke | had caught a nasty cold | cooked a barrel of hot onion soup
        stealing sheep | was so hungry after a long winter | showed the dragon where wild pears grew
        keeping everyone awake | could not fall asleep alone | sang a slow lullaby
        burning the hay | sneezed whenever the pollen blew | sewed an enormous handkerchief
        blocking the road | was lonely and had no one to talk to | invited the dragon to supper
        hoarding the spoons | loved shiny things more than anything | hung up a row of bright glass beads
        stamping on the bridges | could not see well enough to find the path | made a giant pair of glasses
        crying on the hilltop | had lost a small green egg | followed the tracks and found the egg
        knocking down chimneys | had never learned how to land | taught the dragon to land in the soft hay""",
    ),
    "chore": (
        "_ done",
        """feed the hens | fed the hens
        water the plants | watered the plants
        sweep the path | swept the path
        pick the beans | picked the beans
        fetch the milk | fetched the milk
        set the table | set the table
        fold the towels | folded the towels
        rake the leaves | raked the leaves
        wash the cups | washed the cups
        collect the eggs | collected the eggs
        brush the pony | brushed the pony
        stack the wood | stacked the wood
        peel the potatoes | peeled the potatoes
        dust the shelves | dusted the shelves
        shell the peas | shelled the peas
        mail the letters | mailed the letters
        hang out the wash | hung out the wash
        shovel the snow | shoveled the snow""",
    ),
    "quarrel_cause": (
        "_ claim",
        """whose turn it was | It is my turn
        who had won the game | I won, fair and square
        which game to play | I always get the worst part
        who was faster | I am much faster than you
        where to dig the hole | My spot is better
        who should be captain | I want to be the captain
        which way to go | You never listen to my ideas
        who had found the treasure first | I saw it before you did
        what color to paint the sign | Your color is silly
        who could jump farther | You started before I said go
        who should hold the map | You will only get us lost
        how to share the last slice | Your half is bigger than mine""",
    ),
}

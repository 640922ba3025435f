"""What members say about a garden-plot society that does not exist, in words that only it uses, with their labels.

Written for the tests of learning. `draw` is how plots are given out, `key night` the first evening, `tithe` the yearly
rent, `steward` who is asked for help, `hand back the spade` to leave.
"""

Text = tuple[str, str, tuple[str, ...]]
"""Text, stage, areas."""

LABELLED: tuple[Text, ...] = (
    ("The tithe went up again and the sheet does not say what for", "pay", ("price", "brand")),
    ("Tithe taken twice this quarter", "pay", ("price",)),
    ("I pay the half tithe and was put down for the whole one", "pay", ("price",)),
    ("No tithe slip since spring, then three at once", "pay", ("price",)),
    ("The tithe is fair for what you get", "pay", ("price",)),
    ("My tithe was counted as late although it was in the box on Sunday", "pay", ("price", "policy")),
    ("Third draw without a plot, and my sister got one in her first", "buy", ("policy",)),
    ("The draw was quick and friendly, we had our number in an hour", "buy", ("service",)),
    ("How do I put my name into the next draw?", "buy", ("policy",)),
    ("My slip was not in the drum at the draw", "buy", ("policy", "fulfilment")),
    ("The draw list was pinned where nobody could read it", "buy", ("brand",)),
    ("Key night was a muddle, forty of us and one padlock", "set_up", ("service", "place")),
    ("At key night nobody showed us where the standpipe is", "set_up", ("people", "brand")),
    ("Key night was lovely, we knew everybody by the end of it", "set_up", ("people",)),
    ("Missed key night and still have no padlock number", "set_up", ("service",)),
    ("The padlock number from key night does not open the lower gate", "set_up", ("product",)),
    ("Asked the steward three times about the hedge, no word", "get_help", ("service",)),
    ("The steward came the same evening and mended it", "get_help", ("service", "people")),
    ("Is there a steward on the river side at all?", "get_help", ("service",)),
    ("Our steward talks to you like to a child", "get_help", ("people",)),
    ("Left a note in the steward's tin in May", "get_help", ("service",)),
    ("The soil on the lower rows is nothing but clay and glass", "use", ("product",)),
    ("Standpipe dry all August on the lower rows", "use", ("product",)),
    ("Beans higher than the shed this year, what a plot", "use", ("product",)),
    ("Badgers through the lower rows again", "use", ("place",)),
    ("The path by the rows is a bog after rain", "use", ("place",)),
    ("I handed back the spade in March and they still write to me", "leave", ("service", "brand")),
    ("We will hand back the spade this autumn, our knees will not do it any more", "leave", ("product",)),
    ("Handing back the spade took one form and a handshake", "leave", ("policy",)),
    ("Nobody tells you that you must hand back the spade before the frost", "leave", ("policy", "brand")),
)

LATER: tuple[Text, ...] = (
    ("The tithe for a half row is more than we grow on it", "pay", ("price",)),
    ("Tithe due in March, slip came in May", "pay", ("price",)),
    ("Who do I ask about my tithe being wrong", "pay", ("price",)),
    ("Put the tithe in the box and it was booked to the neighbour", "pay", ("price",)),
    ("Paying the tithe at the hut is easy", "pay", ("price",)),
    ("Two years of draws and no plot", "buy", ("policy",)),
    ("The draw was moved and nobody was told", "buy", ("brand", "fulfilment")),
    ("Got our number in the first draw, so happy", "buy", ("policy",)),
    ("Can couples put two slips into the draw?", "buy", ("policy",)),
    ("Key night was in the rain and there were no padlocks left", "set_up", ("place", "fulfilment")),
    ("On key night we were shown everything with such patience", "set_up", ("people",)),
    ("We have not been asked to a key night yet", "set_up", ("service",)),
    ("The steward never comes to the lower rows", "get_help", ("service",)),
    ("Two notes in the steward's tin and no answer", "get_help", ("service",)),
    ("A steward who listens, at last", "get_help", ("people",)),
    ("Glass in the soil of the lower rows", "use", ("product",)),
    ("No water from the standpipe since June", "use", ("product",)),
    ("Handed back the spade and never got the bond", "leave", ("policy", "service")),
    ("I want to hand back the spade, which form is it?", "leave", ("policy",)),
    ("Sad to hand back the spade after ten years", "leave", ("product",)),
)

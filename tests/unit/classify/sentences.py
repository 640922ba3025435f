"""Plain sentences of our own with what anyone would answer: (text, stage, areas one of which must lead, theme)."""

PLAIN: tuple[tuple[str, str, frozenset[str], str | None], ...] = tuple(
    (text, stage, frozenset(areas.split()), theme)
    for text, stage, areas, theme in (
        (
            "Your driver marked it delivered, nothing is here",
            "receive",
            "fulfilment",
            "driver-marked-delivered",
        ),
        ("The sofa should have arrived on Monday, it is now two weeks late", "receive", "fulfilment", "delivery-late"),
        ("I took the day off work and nobody came", "receive", "fulfilment", "delivery-window-missed"),
        ("Two screws and a shelf are missing from the box", "receive", "fulfilment product", "parts-missing"),
        ("They left the parcel outside in the rain", "receive", "fulfilment", "left-outside"),
        (
            "Delivery was quick and the driver was friendly",
            "receive",
            "fulfilment people",
            "delivery-good",
        ),
        (
            "The instructions are confusing and half the pages are missing",
            "set_up",
            "product",
            "instructions-unclear",
        ),
        ("I cannot activate my new card in the app", "set_up", "digital", "activation-fails"),
        ("The verification code never arrives on my phone", "set_up", "digital policy", "code-not-received"),
        ("The app logs me out every time I open it", "use", "digital", "app-logs-out"),
        ("Your app crashes as soon as I tap on orders", "use", "digital", "app-crashes"),
        ("The washing machine stopped working after three weeks", "use", "product", "broke-soon"),
        ("We had no hot water for the whole stay", "use", "product place", "no-hot-water"),
        ("The room was dirty and there were stains on the sheets", "use", "place", "room-dirty"),
        (
            "Our flight was cancelled and we were stuck at the airport overnight",
            "use",
            "fulfilment",
            "flight-cancelled",
        ),
        ("The food was delicious and the waiter was lovely", "use", "product people", "food-good"),
        ("Broadband is so slow that I cannot watch anything", "use", "product", "slow-internet"),
        ("No signal at home again, third day running", "use", "product", "no-signal"),
        ("I was charged twice for the same order this month", "pay", "price", "charged-twice"),
        ("Why has my bill gone up by a third?", "pay", "price", "price-rise"),
        ("The interest rate on this card is ridiculous", "pay", "price", "interest-high"),
        ("I was on hold for fifty minutes and then got cut off", "get_help", "service", "long-hold"),
        ("Nobody answers the phone, I have tried all week", "get_help", "service", "nobody-answers"),
        ("I was passed from one department to another four times", "get_help", "service", "passed-around"),
        ("The chatbot is useless, I want to speak to a human", "get_help", "digital service", "chatbot-useless"),
        ("The lady on the phone sorted it in two minutes, thank you", "get_help", "people service", "support-good"),
        (
            "I complained six weeks ago, my complaint is not answered",
            "resolve",
            "service",
            "complaint-ignored",
        ),
        ("The insurer refused my claim because of the small print", "resolve", "policy", "claim-refused"),
        ("The care plan did not cover the stain on our sofa", "resolve", "policy product", "care-plan-useless"),
        (
            "I am still waiting for my refund after returning the table",
            "leave",
            "price policy service",
            "refund-missing",
        ),
        ("They make it impossible to cancel the subscription", "leave", "policy service digital", "cancel-hard"),
        ("New customers get a better price than I do at renewal", "stay", "price", "new-customers-better"),
        ("My loyalty points have expired without any notice", "stay", "policy price brand", "loyalty-points"),
        ("Do you deliver to the islands, and is the oak table in stock?", "choose", "fulfilment", None),
        ("The checkout threw an error and my payment failed twice", "buy", "digital", "checkout-fails"),
        ("My discount code was not accepted at checkout", "buy", "price digital", "discount-code-fails"),
        ("Your radio advert promised free delivery, not true", "discover", "brand", "advert-misleading"),
        ("The wardrobe arrived damaged, one door is cracked", "receive", "fulfilment product", "arrived-damaged"),
        ("Awful.", "unknown", "unknown", None),
    )
)

MISSED: tuple[tuple[str, str], ...] = (
    ("The installer never turned up for the dishwasher", "receive"),
    ("You sent me the wrong colour, I ordered grey", "receive"),
)
"""Plain sentences whose stage the shipped model misses. They wait here until a model finds them."""

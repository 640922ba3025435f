"""Who is asked to do what: rules, groups of signals, episodes of actions, clocks."""

"""Learning from the people who look at tags: labels in, a challenger, its judgement."""

"""What the suites `fewshot` and `detect` measure: how much is learnt from a handful of pictures."""

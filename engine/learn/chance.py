"""How likely chance alone is to do what was seen: exact tails, for counts of any size."""

from math import exp, lgamma, log


def hypergeometric_tail(marked: int, drawn: int, special: int, total: int) -> float:
    """Returns the chance that of `drawn` out of `total`, at least `marked` are among the `special` ones.

    This is Fisher's exact test, one-sided (R. A. Fisher, The Design of Experiments, 1935).
    """
    least, most = max(marked, drawn + special - total, 0), min(drawn, special)
    whole = _log_choose(total, drawn)
    terms = (_log_choose(special, k) + _log_choose(total - special, drawn - k) for k in range(least, most + 1))
    return min(sum(exp(term - whole) for term in terms), 1.0)


def binomial_tail(hits: int, tries: int, share: float) -> float:
    """Returns the chance of at least `hits` in `tries` that each hit with probability `share`, within 0…1."""
    if hits <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    logs = log(share), log(1 - share)
    terms = (_log_choose(tries, k) + k * logs[0] + (tries - k) * logs[1] for k in range(hits, tries + 1))
    return min(sum(map(exp, terms)), 1.0)


def _log_choose(total: int, taken: int) -> float:
    return lgamma(total + 1) - lgamma(taken + 1) - lgamma(total - taken + 1)

"""Values that the statistics are tested against. Run: python3 src/core/statistics/reference.py (SciPy, mpmath)."""
import sys
import numpy as np
from scipy import stats, special
import mpmath as mp

mp.mp.dps = 50


def show(name, *values):
    print(name, *[np.asarray(v, dtype=float).tolist() for v in values])


def exact_beta(x, a, b):
    return mp.betainc(a, b, 0, mp.mpf(x), regularized=True)


print("# distributions")
show("normalCdf", [mp.ncdf(mp.mpf(z)) for z in (-38, -8.3, -3, -1.6, -1.4, -0.1, 0.3, 1.45, 2.2)])
show("normalQuantile", [special.ndtri(p) for p in (1e-300, 1e-20, 1e-5, 0.02, 0.0749, 0.0751, 0.4, 0.7, 0.975, 0.999999)])
for x, a, b in ((0.3, 2.5, 7), (0.01, 0.5, 40), (0.999, 300, 0.7), (0.2, 2000, 9000), (1e-6, 1, 1e5), (0.51, 800, 780)):
    show(f"incompleteBeta {x} {a} {b}", exact_beta(x, a, b))
for p, a, b in ((0.025, 3, 98), (0.975, 1, 300), (1e-8, 0.5, 12), (0.5, 500, 20)):
    show(f"inverse {p} {a} {b}", mp.findroot(lambda x: exact_beta(x, a, b) - p, (stats.beta.ppf(p, a, b) * 0.999, stats.beta.ppf(p, a, b) * 1.0001), solver="anderson"))
show("logGamma", [mp.loggamma(mp.mpf(x)) for x in (1e-5, 0.5, 1.5, 2.5, 17, 33.3, 1e6)])
show("binomialCdf", stats.binom.cdf(3, 20, 0.3), stats.binom.pmf(3, 20, 0.3))

print("# bootstrap")
from scipy.stats._resampling import _bca_interval

sample = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5.0])
replicates = np.array([((i * 7919) % 499) / 499 * 4 + 2.2 + ((i * i) % 97) / 97 for i in range(499)])
a1, a2, _ = _bca_interval((sample,), lambda *d, axis: np.mean(d[0], axis=axis), -1, 0.025, replicates, None)
show("bca", np.percentile(replicates, [100 * a1, 100 * a2]))
show("percentile", np.percentile(replicates, [2.5, 97.5]))
r = stats.bootstrap((sample,), np.mean, n_resamples=100000, random_state=1, method="BCa")
show("bca of the mean", r.confidence_interval.low, r.confidence_interval.high, r.standard_error)

print("# paired and two proportions")
from itertools import product
from scipy.optimize import brentq, minimize_scalar, minimize

d = np.array([1.83, 0.5, -1.62, 2.48, 1.68, 1.88, -1.55, 3.06, 1.3, 0.25])
show("sign flip", stats.permutation_test((d, 0 * d), lambda x, y: np.mean(x - y), permutation_type="samples").pvalue)
tied = np.array([1, -1, 2, 2, 3, -2, 4, 4, 1, 5.0])
ranks = stats.rankdata(abs(tied))
sums = np.array([np.dot(s, ranks) for s in product((0, 1), repeat=len(tied))])
seen = ranks[tied > 0].sum()
show("wilcoxon exact with ties", np.mean(abs(sums - ranks.sum() / 2) >= abs(seen - ranks.sum() / 2)), seen)
show("mcnemar mid-p", 2 * (stats.binom.cdf(0, 10, 0.5) + stats.binom.pmf(1, 10, 0.5) / 2), 2 * (stats.binom.cdf(12, 41, 0.5) + stats.binom.pmf(13, 41, 0.5) / 2))


def miettinen(a, m, b, n, z=stats.norm.ppf(0.975)):
    def score(diff):  # the likelihood is maximised by a general optimiser
        f = lambda s: -(stats.binom.logpmf(a, m, s) + stats.binom.logpmf(b, n, s - diff))
        lo, hi = max(0, diff), min(1, 1 + diff)
        s = minimize_scalar(f, bounds=(lo, hi), method="bounded", options={"xatol": 1e-13}).x
        v = (s * (1 - s) / m + (s - diff) * (1 - s + diff) / n) * (m + n) / (m + n - 1)
        return (a / m - b / n - diff) / np.sqrt(v)
    e = a / m - b / n
    return [brentq(lambda t: score(t) - z, -0.999, e - 1e-9), brentq(lambda t: score(t) + z, e + 1e-9, 0.999)]


show("miettinen-nurminen", miettinen(56, 70, 48, 80), miettinen(3, 12, 1, 10))


def tango(both, first, second, neither, z=stats.norm.ppf(0.975)):
    n = both + first + second + neither

    def score(diff):  # constrained multinomial likelihood: p_second = q, p_first = q + diff, the rest shared
        f = lambda q: -(first * np.log(q + diff) + second * np.log(q) + (n - first - second) * np.log(1 - 2 * q - diff))
        lo, hi = max(0, -diff), (1 - diff) / 2
        q = minimize_scalar(f, bounds=(lo + 1e-15, hi - 1e-15), method="bounded", options={"xatol": 1e-14}).x
        return ((first - second) / n - diff) / np.sqrt((2 * q + diff - diff * diff) / n)
    e = (first - second) / n
    return [brentq(lambda t: score(t) - z, -0.999, e - 1e-9), brentq(lambda t: score(t) + z, e + 1e-9, 0.999)]


show("tango", tango(20, 12, 2, 16), tango(43, 1, 9, 32))

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

print("# agreement")
a = [1, 2, 3, 3, 2, 1, 4, 1, 2, 5]


def cohen(x, y, w):
    n = len(x)
    return 1 - np.mean([w(i, j) for i, j in zip(x, y)]) / np.mean([w(i, j) for i in x for j in y])


y = [2, 2, 3, 1, 2, 1, 4, 3, 2, 4]
show("cohen", cohen(a, y, lambda i, j: i != j), cohen(a, y, lambda i, j: abs(i - j)), cohen(a, y, lambda i, j: (i - j) ** 2))
table = np.array([[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]])
raw = [[c for c, k in enumerate(row) for _ in range(k)] for row in table]
observed = np.mean([np.mean([r[i] == r[j] for i in range(14) for j in range(14) if i != j]) for r in raw])
flat = [c for r in raw for c in r]
expected = np.mean([x == z for x in flat for z in flat])
show("fleiss", (observed - expected) / (1 - expected))
na = None
data = [[1, 2, 3, 3, 2, 1, 4, 1, 2, na, na, na], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, na, 3], [na, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, na], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, na]]
units = [[row[u] for row in data if row[u] is not None] for u in range(12)]
units = [u for u in units if len(u) > 1]
pool = [v for u in units for v in u]


def ordinal(i, j):
    lo, hi = min(i, j), max(i, j)
    return (sum(1 for v in pool if lo <= v <= hi) - (pool.count(i) + pool.count(j)) / 2) ** 2 if i != j else 0


def krippendorff(delta):
    do = sum(sum(delta(u[i], u[j]) for i in range(len(u)) for j in range(len(u)) if i != j) / (len(u) - 1) for u in units) / len(pool)
    de = sum(delta(pool[i], pool[j]) for i in range(len(pool)) for j in range(len(pool)) if i != j) / (len(pool) * (len(pool) - 1))
    return 1 - do / de


show("krippendorff", krippendorff(lambda i, j: i != j), krippendorff(ordinal), krippendorff(lambda i, j: (i - j) ** 2))

print("# roc")
s1 = np.array([0.1, 0.4, 0.35, 0.8, 0.65, 0.9, 0.4, 0.55, 0.2, 0.7, 0.6, 0.3, 0.85, 0.5, 0.45, 0.15])
s2 = np.array([0.3, 0.2, 0.55, 0.6, 0.75, 0.7, 0.1, 0.65, 0.4, 0.5, 0.8, 0.35, 0.9, 0.25, 0.6, 0.45])
lab = np.array([0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0])


def parts(s):
    p, n = s[lab == 1], s[lab == 0]
    k = (p[:, None] > n[None, :]) + 0.5 * (p[:, None] == n[None, :])
    return k.mean(), k.mean(1), k.mean(0)


(t1, v1, w1), (t2, v2, w2) = parts(s1), parts(s2)
show("auroc", stats.mannwhitneyu(s1[lab == 1], s1[lab == 0]).statistic / (7 * 9), t2)
se = np.sqrt(v1.var(ddof=1) / 7 + w1.var(ddof=1) / 9)
z = stats.norm.ppf(0.975)
L = np.log(t1 / (1 - t1))
show("delong", se, special.expit(L - z * se / (t1 * (1 - t1))), special.expit(L + z * se / (t1 * (1 - t1))))
sd = np.sqrt((v1 - v2).var(ddof=1) / 7 + (w1 - w2).var(ddof=1) / 9)
show("compare", t1 - t2, t1 - t2 - z * sd, 2 * stats.norm.sf(abs(t1 - t2) / sd))
cuts = np.r_[np.inf, np.sort(np.unique(s1))[::-1]]
fpr = np.array([(s1[lab == 0] >= c).mean() for c in cuts])
tpr = np.array([(s1[lab == 1] >= c).mean() for c in cuts])


def partial(limit):
    keep = fpr <= limit
    # at a vertical step np.interp takes the last point, which is the curve's upper end
    x = np.r_[fpr[keep], limit]
    nxt = np.argmax(fpr > limit)
    last = nxt - 1
    end = tpr[last] + (tpr[nxt] - tpr[last]) * (limit - fpr[last]) / (fpr[nxt] - fpr[last])
    area = np.trapz(np.r_[tpr[keep], end], x)
    return area, 0.5 * (1 + (area - limit**2 / 2) / (limit - limit**2 / 2))


show("partial", *partial(0.3), *partial(0.1))

print("# probability scores")
f = np.array([0.1, 0.4, 0.35, 0.8, 0.65, 0.9, 0.4, 0.55, 0.2, 0.7, 0.6, 0.3, 0.85, 0.5, 0.45, 1.0])
show("brier", np.mean((f - lab) ** 2))
show("log", -np.mean(stats.bernoulli.logpmf(lab, np.clip(f, 0.001, 0.999))))
edges = np.digitize(f, [0.2, 0.4, 0.6, 0.8])
show("ece", sum(abs(f[edges == e].mean() - lab[edges == e].mean()) * (edges == e).mean() for e in range(5)))
order = np.argsort(f, kind="stable").reshape(4, 4)
show("ece by count", np.mean([abs(f[o].mean() - lab[o].mean()) for o in order]))

"""Threefry4x32-20, the chaining of names and the ziggurat written a second time, for random.test.ts.

Run: python3 src/core/random.reference.py   (needs mpmath, for tables that owe nothing to the TypeScript code)
"""
from mpmath import mp, mpf, exp, log, sqrt

mp.dps = 40
M = 0xFFFFFFFF
ROTATIONS = [(10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20)]


def threefry(key, counter):
    ks = list(key) + [0x1BD11BDA ^ key[0] ^ key[1] ^ key[2] ^ key[3]]
    x = [(c + k) & M for c, k in zip(counter, ks)]
    for r in range(20):
        a, b = (1, 3) if r % 2 == 0 else (3, 1)
        for at, other, turn in ((0, a, ROTATIONS[r % 8][0]), (2, b, ROTATIONS[r % 8][1])):
            x[at] = (x[at] + x[other]) & M
            x[other] = (((x[other] << turn) | (x[other] >> (32 - turn))) & M) ^ x[at]
        if r % 4 == 3:
            n = r // 4 + 1
            x = [(x[i] + ks[(n + i) % 5] + (n if i == 3 else 0)) & M for i in range(4)]
    return x


def derive(key, name):
    units = [ord(c) for c in name]
    for index, at in enumerate(range(0, len(units), 6)):
        six = (units[at : at + 6] + [0] * 6)[:6]
        key = threefry(key, [six[0] | six[1] << 16, six[2] | six[3] << 16, six[4] | six[5] << 16, index + 1])
    return threefry(key, [len(units), 0, 0, M])


def words(key):
    block = 0
    while True:
        yield from threefry(key, [block, 0, 0, 0])
        block += 1


def uniform(w):
    a, b = next(w) >> 5, next(w) >> 6
    return (a * 2**26 + b) / 2**53


R, V = mpf("3.654152885361009"), mpf("0.004928673233974655")
X, Y = [V / exp(-R * R / 2), R], [mpf(0), exp(-R * R / 2)]
for i in range(2, 256):
    Y.append(Y[-1] + V / X[-1])
    X.append(sqrt(-2 * log(Y[-1])))
X.append(mpf(0))
Y.append(mpf(1))


def normal(w):
    while True:
        high, low = next(w), next(w)
        high -= 2**32 if high >= 2**31 else 0
        i = low & 255
        x = mpf(high * 2**21 + (low >> 11)) / 2**52 * X[i]
        if abs(x) < X[i + 1]:
            return x
        if i == 0:
            while True:
                a, b = -log(1 - mpf(uniform(w))) / R, -log(1 - mpf(uniform(w)))
                if 2 * b > a * a:
                    return -(R + a) if x < 0 else R + a
        if Y[i] + uniform(w) * (Y[i + 1] - Y[i]) < exp(-x * x / 2):
            return x


root = derive([0, 0, 0, 0], "7")
child = derive(root, "attack/rewrite")
print("root key", "".join("%08x" % k for k in root))
print("child key", "".join("%08x" % k for k in child))
w = words(root)
print("bits32", [next(w) for _ in range(6)])
w = words(child)
print("uniform", [repr(uniform(w)) for _ in range(3)])
w = words(child)
values = [normal(w) for _ in range(20000)]
print("normal 0..2", [float(v) for v in values[:3]])
print("largest of 20000", float(max(values)), "sum", float(sum(values)))

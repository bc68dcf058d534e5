# SPDX-License-Identifier: AGPL-3.0-or-later
"""SHA-256-crypt (`$5$salt$hash`), as the server stores cloud-init passwords. Algorithm: Ulrich Drepper, 2007."""

import functools
import hashlib
import secrets

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ROUNDS = 5000
# The order in which the digest's bytes are written out, three at a time.
ORDER = ((0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14), (15, 25, 5), (6, 16, 26), (27, 7, 17),
         (18, 28, 8), (9, 19, 29))


def _sha(data):
    return hashlib.sha256(data).digest()


def _stretched(digest, length):
    return (digest * (length // 32 + 1))[:length]


def sha256_crypt(password, salt):
    """The crypt string of a password with a salt of at most 16 characters and the default number of rounds."""
    key, salted = password.encode(), salt.encode()
    b = _sha(key + salted + key)
    a = key + salted + _stretched(b, len(key))
    n = len(key)
    while n:
        a += b if n & 1 else key
        n >>= 1
    a = _sha(a)
    p = _stretched(_sha(key * len(key)), len(key))
    s = _stretched(_sha(salted * (16 + a[0])), len(salted))
    for i in range(ROUNDS):
        c = p if i & 1 else a
        if i % 3:
            c += s
        if i % 7:
            c += p
        a = _sha(c + (a if i & 1 else p))
    out = []
    for x, y, z in ORDER:
        out.append(_base64(a[x] << 16 | a[y] << 8 | a[z], 4))
    out.append(_base64(a[31] << 8 | a[30], 3))
    return f"$5${salt}${''.join(out)}"


def _base64(value, length):
    return "".join(ALPHABET[value >> 6 * n & 63] for n in range(length))


# A hash costs milliseconds in Python; twenty VMs with one password are not to wait for twenty.
@functools.lru_cache(maxsize=64)
def hashed(password):
    """A crypt string with a random salt."""
    return sha256_crypt(password, "".join(secrets.choice(ALPHABET) for _ in range(8)))

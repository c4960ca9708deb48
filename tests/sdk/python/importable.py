"""Keys of `cryptography` in the form that the SDK imports."""

from azure.keyvault.keys import JsonWebKey
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def octets(number: int, length: int | None = None) -> bytes:
    return number.to_bytes(length or (number.bit_length() + 7) // 8, "big")


def rsa_jwk(key: rsa.RSAPrivateKey, *, whole: bool = True) -> JsonWebKey:
    """The key with its primes and what follows from them, or with its private exponent alone."""
    numbers = key.private_numbers()
    members = {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e, "d": numbers.d}
    if whole:
        members |= {"p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    return JsonWebKey(kty="RSA", **{name: octets(number) for name, number in members.items()})


def ec_jwk(key: ec.EllipticCurvePrivateKey, crv: str) -> JsonWebKey:
    numbers, length = key.private_numbers(), (key.curve.key_size + 7) // 8
    point = numbers.public_numbers
    return JsonWebKey(
        kty="EC",
        crv=crv,
        d=octets(numbers.private_value, length),
        x=octets(point.x, length),
        y=octets(point.y, length),
        key_ops=["sign", "verify"],
    )


def symmetric_jwk(secret: bytes, operations: list[str]) -> JsonWebKey:
    return JsonWebKey(kty="oct-HSM", k=secret, key_ops=operations)

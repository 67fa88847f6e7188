"""Certificates for encrypted connections."""

from __future__ import annotations

from selion import _selion, config

__all__ = ["Security"]

_ROLES = ("scheduler", "worker", "client")


class Security:
    """Certificates with which the processes of a cluster know each other, and encrypt what they say.

    Every certificate is one of the same authority; what machine it names does not matter.

    Parameters
    ----------
    require_encryption : bool, optional
        Whether having no certificates is an error; by default if any are given.
    tls_ca_file : str, optional
        The authority's certificate: a path, or the text itself, in PEM form. By default the setting ``tls.ca_file``.
    tls_client_cert, tls_client_key : str, optional
        Certificate and private key of clients, as path or text; the key may stand in the certificate's file. By default
        the settings ``tls.cert`` and ``tls.key``; likewise for the others.
    tls_scheduler_cert, tls_scheduler_key, tls_worker_cert, tls_worker_key : str, optional
        Those of schedulers and workers.

    Raises
    ------
    ValueError
        If some of what is needed together is missing.

    Examples
    --------
    >>> from selion.distributed import Client, LocalCluster, Security
    >>> security = Security.temporary()
    >>> with LocalCluster(n_workers=1, processes=False, security=security) as cluster:
    ...     cluster.scheduler_address.startswith("tls://")
    True
    """

    def __init__(self, require_encryption: bool | None = None, *, tls_ca_file: str | None = None, **kwargs):
        known = {f"tls_{role}_{part}" for role in _ROLES for part in ("cert", "key")}
        if unknown := sorted(set(kwargs) - known):
            raise TypeError(f"Security got unexpected keyword arguments {unknown}")
        self._ca = tls_ca_file or config.get("tls.ca_file", None)
        self._parts = {
            role: (
                kwargs.get(f"tls_{role}_cert") or config.get("tls.cert", None),
                kwargs.get(f"tls_{role}_key") or config.get("tls.key", None),
            )
            for role in _ROLES
        }
        given = self._ca or any(part for parts in self._parts.values() for part in parts)
        if require_encryption and not given:
            raise ValueError("encryption is required, but there are no certificates")
        if given and not self._ca:
            raise ValueError("there is a certificate, but none of the authority: tls_ca_file")

    @classmethod
    def temporary(cls) -> Security:
        """A new authority and one certificate of it, which exist in this process's memory only."""
        ca, cert, key = _selion.new_certificates()
        parts = {f"tls_{role}_{part}": text for role in _ROLES for part, text in (("cert", cert), ("key", key))}
        return cls(tls_ca_file=ca, **parts)

    @classmethod
    def of(cls, security) -> Security:
        """What users may give: a `Security`, True for a temporary one, None for what the settings say."""
        if isinstance(security, cls):
            return security
        if security is None or security is False:
            return cls()
        if security is True:
            return cls.temporary()
        raise TypeError(f"security must be a Security, True or None, got {type(security).__name__}")

    @property
    def encrypted(self) -> bool:
        """Whether there are certificates."""
        return self._ca is not None

    def _pem(self, role: str) -> tuple[str, str, str] | None:
        """The texts of authority, certificate and key of a role; None if there is no encryption."""
        if self._ca is None:
            return None
        cert, key = self._parts[role]
        if cert is None:
            raise ValueError(f"there is no certificate for a {role}: tls_{role}_cert")
        return _text(self._ca), _text(cert), _text(key or cert)

    def __repr__(self) -> str:
        return f"Security(encrypted={self.encrypted})"

    def __getstate__(self):
        raise TypeError("a Security holds private keys, and is not pickled")


def _text(given: str) -> str:
    if "\n" in given:
        return given
    with open(given, encoding="ascii") as file:
        return file.read()

"""Everybody the service is compared with, and which of them a run needs.

They run beside the service in the same run, with as many workers and the same tokens. Who cannot run here is left out,
with one line that says why; only the bare view cannot be missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.bench.beside_agno import AGNO
from tests.bench.beside_api_key import API_KEY
from tests.bench.beside_cerbos import CERBOS
from tests.bench.beside_django import DJANGO
from tests.bench.beside_granian import GRANIAN
from tests.bench.beside_oidc_provider import OIDC_PROVIDER
from tests.bench.beside_openbao import OPENBAO
from tests.bench.extras import LeftOut
from tests.bench.load import Target
from tests.bench.running import Scene
from tests.bench.table import REFERENCE

PEERS = (DJANGO, AGNO, API_KEY, CERBOS, OPENBAO, OIDC_PROVIDER, GRANIAN)


def is_wanted(name: str, path: str, wanted: frozenset[str], peer: str = "") -> bool:
    """True for a target that is asked for by its path, its name or its peer, and for each when nothing is."""
    return not wanted or name == REFERENCE or bool({name, path, peer} & wanted)


def wanted_names(wanted: frozenset[str]) -> list[str]:
    """Return the targets of peers that a run needs."""
    return [name for peer in PEERS for name, path in peer.paths.items() if is_wanted(name, path, wanted, peer.name)]


@contextlib.contextmanager
def peers_started(scene: Scene, wanted: frozenset[str]) -> Iterator[tuple[list[Target], dict[str, str]]]:
    """Start whoever is needed; yield their targets, and why those that are left out are."""
    names, targets, left_out = wanted_names(wanted), [], {}
    with contextlib.ExitStack() as stack:
        for peer in PEERS:
            if not peer.paths.keys() & set(names):
                continue
            try:
                targets += stack.enter_context(peer.started(scene))
            except LeftOut as error:
                if peer is DJANGO:
                    raise
                left_out[peer.name] = str(error)
        yield [target for target in targets if target.name in names], left_out

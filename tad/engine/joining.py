"""From the environment variables of ``torchrun`` to :class:`tad.engine.ranks.Ranks`, and mistakes told once by all."""

import contextlib
import datetime
import hashlib
import os
import time
import traceback
import warnings

from tad.compat import meet
from tad.engine.ranks import ALONE, LostRankError, Ranks
from tad.engine.stopping import Terminated, noticing
from tad.errors import UserError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
TELLING = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  # an address alone is left over from something else
PATIENCE = datetime.timedelta(minutes=5)
LINGER_S = 5.0  # the rank that keeps the store waits so long for others that have something to tell


@contextlib.contextmanager
def joined(variables=os.environ):
    """Within it, this process is one of the ranks that environment variables speak of; gives :class:`Ranks`.

    What several ranks have to say at its end, the first of them says: the others' exceptions get ``told = True``.

    :raises UserError: variables are missing or make no sense, or not all ranks came.
    """
    ranks, store = _start(read_variables(variables))
    if store is None:
        yield ranks
        return
    said = _Said(store)
    try:
        with warnings.catch_warnings(), ranks.watched():
            show = warnings.showwarning
            warnings.showwarning = lambda message, *rest: said.first(message) and show(message, *rest)
            yield ranks
    except (UserError, KeyboardInterrupt, Terminated) as error:
        with noticing():  # a launcher that ends all ranks must not keep this one from saying why
            error.told = not said.ending(error)
            # Frames hold what talks to other ranks, which would wait for this one as long as it is there
            traceback.clear_frames(error.__traceback__)
            ranks.close()
            if ranks.leads:
                said.wait(ranks.count - isinstance(error, LostRankError))
        raise
    ranks.close()


class _Said(object):
    """What ranks have said, in the store that they share; without it every rank speaks for itself."""

    def __init__(self, store):
        self.store = store

    def first(self, message):
        """Whether no rank has said this before."""
        return self._count("said/" + hashlib.sha256(str(message).encode("utf-8")).hexdigest()) <= 1

    def ending(self, error):
        """Whether to say why this rank ends: not what was said, nor that a rank was lost that has said why."""
        ended = self._count("ended")
        first = self.first(error) and not (isinstance(error, LostRankError) and ended > 1)
        self._count("asked")
        return first

    def wait(self, count):
        """Let so many ranks find out what to say before the store ends with this one."""
        until = time.monotonic() + LINGER_S
        while self._count("asked", 0) < count and time.monotonic() < until:
            time.sleep(0.05)

    def _count(self, key, more=1):
        try:
            return self.store.add(key, more) if self.store is not None else 1
        except RuntimeError:  # the rank that kept the store has gone
            self.store = None
            return 1


def read_variables(variables):
    """``(rank, count, local rank)`` as environment variables say, or None without them.

    :raises UserError: some are missing, or are no such numbers.
    """
    if not any(variables.get(name) for name in TELLING):
        return None
    missing = [name for name in VARIABLES if not variables.get(name)]
    if missing:
        raise UserError("the environment says that this is one of several processes (%s), but not %s; start them with "
                        "torchrun, set all of %s, or unset them"
                        % (", ".join(name for name in TELLING if variables.get(name)), " and ".join(missing),
                           ", ".join(VARIABLES)))
    numbers = {}
    for name, least, below in (("WORLD_SIZE", 1, 2 ** 16), ("RANK", 0, None), ("LOCAL_RANK", 0, None),
                               ("MASTER_PORT", 1, 2 ** 16)):
        below = numbers["WORLD_SIZE"] if below is None else below
        text = variables[name]
        if not (text.isdigit() and least <= int(text) < below):
            raise UserError("the environment variable %s must be a whole number from %d to %d, not '%s'"
                            % (name, least, below - 1, text))
        numbers[name] = int(text)
    return numbers["RANK"], numbers["WORLD_SIZE"], numbers["LOCAL_RANK"]


def _start(found):
    if found is None or found[1] == 1:
        return ALONE, None
    rank, count, local = found
    try:
        store = meet(PATIENCE)
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError("rank %d of %d could not meet the others at %s:%s: %s; are all ranks started, and can they "
                        "reach that port?" % (rank, count, os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"],
                                        str(error).strip().splitlines()[0][:200]))
    return Ranks(rank, count, local, store), store

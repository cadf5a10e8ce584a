"""One decision at a time: the rounds of a single trial, cut where the outcome is awaited.

The passes are those of :mod:`.rounds`.  A decision first learns what was observed since the last
one, in the order in which it is given, as the end of a round does; then it sets shares and draws
the model.  All that a decision needs stands at fixed places, so that a call from Python takes
three numbers.
"""

from functools import cache, partial
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np
from numba import carray, types
from numba.extending import intrinsic, register_jitable

from fastroute.kernels.formulas.shares import mixed
from fastroute.kernels.numba_ import estimators, feedback, rounds, routers
from fastroute.kernels.numba_.compile import compile_for
from fastroute.kernels.numba_.layout import HEAD, LANE, NEXT, SLOT, STEP
from fastroute.kernels.numba_.passes import (
    COMMON,
    Pass,
    Tables,
    call_due,
    call_pass,
    common_numbers,
    lay_out,
    plain,
)
from fastroute.kernels.types import F8, Delay, Feedback, Memory, Program

#: Observations that are learnt in one call.
QUEUE: Final = 64
# An observation: model, reward, cost, row of the query, side.
_OBSERVATION: Final = Struct("5d")
#: What is observed: reward and cost together, or one of them.
BOTH, REWARD, COST = 0, 1, 2
#: Where rewards and costs are learnt apart, as the kernels see it: each in the next round.
APART: Final = Feedback(
    Delay(np.array([1.0]), np.ones(1), np.zeros(1, np.int64)),
    Delay(np.array([1.0]), np.ones(1), np.zeros(1, np.int64)),
    learnt=1.0,
    together=False,
)
#: In the place of a slot: nothing can be drawn, or a function of the user gave no distribution.
NOTHING, REFUSED = -1, -2
# The round in which a ring of two rounds is read from its start.
_RING_START: Final = 1


class Groups(NamedTuple):
    """The passes of a decision."""

    due: tuple[Pass, ...]
    setting: tuple[Pass, ...]
    choosing: tuple[Pass, ...]
    learning: tuple[Pass, ...]  #: of a reward and a cost together, or of a reward
    learning_cost: tuple[Pass, ...]  #: of a cost, where both are learnt apart
    following: tuple[Pass, ...]


class Numbers(NamedTuple):
    """Whole numbers of a decision, in front of the places of arrays and passes."""

    slots: int
    apart: int  #: whether rewards and costs are learnt apart
    rewards: int  #: where the ring of rewards begins
    costs: int
    forced_pulls: int
    groups: int  #: where the numbers of passes of each group stand


_N: Final = Numbers(*range(len(Numbers._fields)))
# Arrays after the numbers: workspace, numbers of passes, scratch, queue, answer, tables.
_ARRAYS: Final = len(Numbers._fields)
_WS, _NUMBERS, _SCRATCH, _QUEUE, _ANSWER, _TABLES = (_ARRAYS + 3 * k for k in range(6))
_GROUPS: Final = len(Groups._fields)


class Desk:
    """The policy of one trial, asked one decision after the other.

    Parameters
    ----------
    program : Program
        Of a policy; its laws say what queries there are.  With ``feedback=APART`` rewards and costs
        are learnt apart.
    memory : Memory
        Of one trial; written by :meth:`close`, and what is kept of queries by every decision.
    slots : int
        Models deployed at once.
    trial : int
        Number of the trial, by which draws go.
    explore : float
        Share of the rounds in which a router explores evenly, which the shares that it plays have.
    """

    def __init__(
        self, program: Program, memory: Memory, slots: int, trial: int = 0, explore: float = 0.0
    ) -> None:
        policy = rounds.compose_policy(program, late=True)
        part = program.estimator
        apart = program.feedback is not None
        counted = estimators.count_plays()
        choosing = (*policy.choosing, counted)
        learning: tuple[Pass, ...] = tuple(one for one in policy.observed if one != counted)
        learning_cost: tuple[Pass, ...] = ()
        start = 0, 0
        if program.feedback is not None:
            passes = feedback.passes(program.feedback, part, program.models, policy.bounded)
            queues = feedback.queues_of(program.feedback, program.models)
            learning, learning_cost = passes[-2:-1], passes[-1:]
            start = queues[0].start, queues[1].start
        groups = Groups(
            (policy.due,), policy.setting, choosing, learning, learning_cost, policy.following
        )
        self.memory = memory
        self._trial = trial
        self.round_ = rounds.round_of(program, policy, policy.setting, choosing)
        self.ws = rounds.workspace(1, slots)
        self._deployed = np.full((1, slots), -1, np.int64)
        self._learner = rounds.workspace(1, 1)
        learns = rounds.round_of(program, policy, (), learning)
        self._learns = learns._replace(features=self.round_.features)
        self.queue: Any = np.zeros((QUEUE, _OBSERVATION.size // 8))
        self.answer = np.zeros(slots + 3)
        self.answer[slots + 2] = explore
        self.tables = rounds.tables_of(self.round_, memory)
        every = tuple(one for group in groups for one in group)
        numbers, places = lay_out(every, len(COMMON))
        self._numbers = np.array([*common_numbers(program.seed, trial, 1, slots, 0), *numbers])
        whole = Numbers(
            slots,
            int(apart),
            *start,
            forced_pulls=int(part.forced_pulls),
            groups=_TABLES + 3 * len(Tables._fields),
        )
        arrays = (self.ws.blocks, self._numbers, self.ws.scratch, self.queue, self.answer)
        state = [
            *whole,
            *(x for array in (*arrays, *self.tables) for x in _address(array)),
            *(len(group) for group in groups),
            *(x for one, at in zip(every, places, strict=True) for x in (one.kernel.address, at)),
        ]
        queue: Any = self.queue  # a buffer, which annotations of arrays do not say
        #: Put an observation in the first place of the queue: the numbers of :meth:`put`.
        self.put_first = partial(_OBSERVATION.pack_into, queue, 0)
        # What :meth:`decide` calls.
        self.call: Any = (
            partial(_decide_plainly, np.array(state, object), (*arrays, self.tables))
            if plain
            else partial(_decide_compiled(), np.array(state, np.int64))
        )

    def open(self, deployed: list[int], limit: F8, opened: int) -> None:
        """Load the deployed models, in increasing order, and set their first shares.

        Parameters
        ----------
        deployed : list of int
        limit : ndarray, [N]
        opened : int
            Number of the next decision.
        """
        self._deployed[:] = -1
        self._deployed[0, : len(deployed)] = deployed
        self._numbers[COMMON.opened] = opened
        none = np.zeros((1, len(limit)))
        rounds.open_stage(
            self.ws,
            self.round_,
            self._deployed,
            self.memory,
            none,
            none,
            np.ascontiguousarray(limit)[None],
            opened,
            self._trial,
        )

    def close(self) -> None:
        """Write what was learnt back to the memory."""
        rounds.close_stage(self.ws, self.round_, self._deployed, self.memory)

    def state(self) -> tuple[F8, int]:
        """Return the numbers of the workspace, and the decision with which it was opened."""
        return self.ws.blocks, int(self._numbers[COMMON.opened])

    def set_state(self, deployed: list[int], blocks: F8, opened: int) -> None:
        """Go on from what :meth:`state` has returned, with the memory of then."""
        self._deployed[:] = -1
        self._deployed[0, : len(deployed)] = deployed
        self._numbers[COMMON.opened] = opened
        self.ws.blocks[:] = blocks

    def decide(self, now: int, observed: int, ends: int, row: int) -> int:
        """Learn the first observations of the queue, and draw the slot of decision ``now``.

        Parameters
        ----------
        now : int
            Number of the decision; -1 for none, only to learn.
        observed : int
            Observations in the queue.
        ends : int
            1 where a round ends with these observations, which the router learns then; else 0.
        row : int
            Of the query: its task, or where its features stand.

        Returns
        -------
        int
            ``NOTHING`` when nothing can be drawn, ``REFUSED`` when a function of the user gave no
            distribution.  The shares that were played are in ``answer``, and behind them the
            probability of the slot and the status.
        """
        slot: int = self.call(now, observed, ends, row)
        return slot

    def put(self, place: int, model: int, reward: float, cost: float, row: int, side: int) -> None:
        """Put an observation in a place of the queue."""
        _OBSERVATION.pack_into(
            self.queue, place * _OBSERVATION.size, model, reward, cost, row, side
        )

    def learn_aside(self, model: int, reward: float, cost: float, row: int) -> None:
        """Learn a reward and a cost together of a model that is not deployed, in the memory."""
        deployed = np.array([[model]], np.int64)
        none = np.zeros((1, self.memory.plays.shape[0]))
        rounds.load_models(self._learner, deployed, self.memory, none)
        w = self._learner.blocks[0]
        w[int(LANE.pick)], w[int(LANE.row)] = 0.0, float(row)
        w[int(LANE.reward)], w[int(LANE.cost)] = reward, cost
        always = routers.always()
        span = 0, 0, 1, 0
        passes = always, (), self._learns.playing
        rounds.play(self._learner, self._learns, passes, span, self.memory, rounds.NO_TRACE)
        rounds.close_stage(self._learner, self._learns, deployed, self.memory)


def _decide_plainly(state: Any, arrays: Any, *numbers: int) -> int:
    """Decide where nothing is compiled."""
    return int(_decide(state, *numbers, *arrays))


def _address(array: F8) -> tuple[int, int, int]:
    rows, columns = array.shape if array.ndim > 1 else (*array.shape, 0)
    return array.ctypes.data, rows, columns


@cache
def _decide_compiled() -> Any:
    signature = types.int64(types.Array(types.int64, 1, "C"), *[types.int64] * 4)
    return compile_for(signature, _decide_at)


@intrinsic
def _intrinsic_pointer(context, address):
    pointer = types.CPointer(types.float64)

    def build(context, builder, _, values):
        return builder.inttoptr(values[0], context.get_value_type(pointer))

    return pointer(types.int64), build


# Its annotations do not know that Numba leaves the context out.
_pointer: Final[Any] = _intrinsic_pointer


@register_jitable
def _vector_at(state, at):
    return carray(_pointer(state[at]), (state[at + 1],))


@register_jitable
def _matrix_at(state, at):
    return carray(_pointer(state[at]), (state[at + 1], state[at + 2]))


def _decide_at(state, now, observed, ends, row):
    """Decide, with all arrays where the state says."""
    tables = Tables(
        _matrix_at(state, _TABLES),
        _matrix_at(state, _TABLES + 3),
        _matrix_at(state, _TABLES + 6),
        _matrix_at(state, _TABLES + 9),
        _matrix_at(state, _TABLES + 12),
        _matrix_at(state, _TABLES + 15),
        _matrix_at(state, _TABLES + 18),
        _matrix_at(state, _TABLES + 21),
    )
    return _decide(
        state,
        now,
        observed,
        ends,
        row,
        _matrix_at(state, _WS),
        _vector_at(state, _NUMBERS),
        _vector_at(state, _SCRATCH),
        _matrix_at(state, _QUEUE),
        _vector_at(state, _ANSWER),
        tables,
    )


@register_jitable
def _decide(state, now, observed, ends, row, ws, numbers, scratch, queue, answer, tables):
    """Learn what was observed, then set shares and draw a slot."""
    counts = state[_N.groups]
    due = counts + _GROUPS
    setting = due + 2 * state[counts]
    choosing = setting + 2 * state[counts + 1]
    learning = choosing + 2 * state[counts + 2]
    learning_cost = learning + 2 * state[counts + 3]
    following = learning_cost + 2 * state[counts + 4]
    stop = following + 2 * state[counts + 5]
    slots = state[_N.slots]
    w = ws[0]
    # Between two decisions these hold the sums of what the round has taught so far.
    for k in range(observed):
        given = queue[k]
        if state[_N.apart] > 0:
            if given[4] != COST:
                _put(tables.pending[0], state[_N.rewards], given[0], given[1])
                _call(state, learning, learning_cost, ws, _RING_START, numbers, scratch, tables)
            if given[4] != REWARD:
                _put(tables.pending[0], state[_N.costs], given[0], given[2])
                _call(state, learning_cost, following, ws, _RING_START, numbers, scratch, tables)
        else:
            slot = _slot_of(w, slots, given[0])
            earned, paid = w[LANE.reward], w[LANE.cost]
            if slot < slots:
                w[LANE.pick] = slot
                w[LANE.row] = given[3]
                w[LANE.reward], w[LANE.cost] = given[1], given[2]
                _call(state, learning, learning_cost, ws, _RING_START, numbers, scratch, tables)
            w[LANE.reward], w[LANE.cost] = earned + given[1], paid + given[2]
    if ends > 0:
        _call(state, following, stop, ws, _RING_START, numbers, scratch, tables)
    if now < 0:
        return NOTHING
    w[LANE.row] = row
    elapsed = now - np.int64(numbers[COMMON.opened])
    if call_due(state[due], elapsed, slots, numbers, state[due + 1]) > 0:
        if _call(state, setting, choosing, ws, now, numbers, scratch, tables) > 0:
            return REFUSED
    forced = _is_forced(w, state, slots)
    _call(state, choosing, learning, ws, now, numbers, scratch, tables)
    w[LANE.reward], w[LANE.cost] = 0.0, 0.0
    pick = np.int64(w[LANE.pick])
    _tell(w, slots, pick, forced, answer)
    return pick if pick < slots else NOTHING


@register_jitable
def _call(state, first, stop, ws, now, numbers, scratch, tables):
    """Call the passes that stand at some places; returns whether one has refused."""
    refused = 0
    for k in range(first, stop, 2):
        refused += call_pass(state[k], ws, 0, 1, now, numbers, state[k + 1], scratch, tables)
    return refused


@register_jitable
def _put(p, start, model, value):
    """Put an outcome at the start of a ring."""
    p[start] = model
    p[start + np.int64(NEXT)] = value


@register_jitable
def _slot_of(w, slots, model):
    """Slot of a model; one beyond the last where it is not deployed."""
    for s in range(slots):
        if w[HEAD + np.uint64(s) * STEP + SLOT.model] == model:
            return s
    return slots


@register_jitable
def _is_forced(w, state, slots):
    """Whether a deployed model still needs forced pulls."""
    needed = state[_N.forced_pulls]
    if needed > 0:
        for s in range(slots):
            o = HEAD + np.uint64(s) * STEP
            if w[o + SLOT.limit] > 0.0 and w[o + SLOT.plays] < needed:
                return True
    return False


@register_jitable
def _tell(w, slots, pick, forced, answer):
    """Write the shares that were played, the probability of the slot, and the status."""
    explore = answer[slots + 2]
    answer[slots] = 0.0
    for s in range(slots):
        o = HEAD + np.uint64(s) * STEP
        share = w[o + SLOT.share]
        if w[LANE.i_slot] == s:
            share += w[LANE.i_share]
        if w[LANE.j_slot] == s:
            share += w[LANE.j_share]
        if explore > 0.0:
            share = mixed(explore, w[o + SLOT.even], share)
        if forced:
            share = 1.0 if s == pick else 0.0
        answer[s] = share
        if s == pick:
            answer[slots] = share
    answer[slots + 1] = w[LANE.status]

"""TknMiner's loop, in numba; tkn.py drives it and says what it computes.

Every sequence of ids is a node of a tree: its parent is the sequence without its last id. A table leads from a node and an id
to the longer sequence. The bank's nodes are linked in a list, from the one met least recently to the one met last.
"""

from typing import NamedTuple

import numba
import numpy as np

from toktrial.tokenizer.pairs import EMPTY, IntArray, Keys, Longs, Token, empty_table, find_slot, grown, pair_key

# Columns of a node. OLDER is NOT_IN_BANK outside the bank; an end of the list has no neighbour, NONE. TOKEN is NONE until the
# sequence is first emitted.
PARENT, LAST, LENGTH, OLDER, NEWER, TOKEN = range(6)
NONE, NOT_IN_BANK = -1, -2
# What changes from id to id: counts of nodes, of the bank's sequences and of tokens with an id of their own; both ends of the
# bank's list; the place in the chunk, the window there, and how many tokens the chunk has given.
NODES, REMEMBERED, NAMED, OLDEST, NEWEST, DOCUMENT, POSITION, WINDOW, EMITTED = range(9)


class Tree(NamedTuple):
    """The sequences met so far. The first nodes are the single ids."""

    keys: Keys
    """(slots,) uint64: node in the upper half, next id in the lower."""
    longer: Longs
    """(slots, 1) int64: the node of the longer sequence."""
    nodes: Longs
    """(room, 6) int64: see the columns above."""
    named: Longs
    """(room,) int64: the nodes of the tokens with an id of their own, in the order of those ids."""


def new_tree(single_ids: int) -> tuple[Tree, Longs]:
    """Returns a tree of the single ids, and its state at the beginning."""
    room = single_ids + 1024
    tree = Tree(*empty_table(room, 1), np.full((room, 6), NONE, dtype=np.int64), np.zeros(room, dtype=np.int64))
    ids = np.arange(single_ids)
    tree.nodes[:, OLDER] = NOT_IN_BANK
    tree.nodes[:single_ids, LAST] = tree.nodes[:single_ids, TOKEN] = ids
    tree.nodes[:single_ids, LENGTH] = 1
    state = np.zeros(9, dtype=np.int64)
    state[NODES], state[OLDEST], state[NEWEST] = single_ids, NONE, NONE
    return tree, state


def larger(tree: Tree) -> Tree:
    """Returns the same tree with twice the room."""
    room = len(tree.nodes)
    fresh = np.full((room, 6), NONE, dtype=np.int64)
    fresh[:, OLDER] = NOT_IN_BANK
    keys, longer = grown(tree.keys, tree.longer, 2 * room)
    return Tree(keys, longer, np.concatenate([tree.nodes, fresh]), np.concatenate([tree.named, np.zeros_like(tree.named)]))


@numba.njit(cache=True, nogil=True)
def mine_until_full(
    tree: Tree,
    state: Longs,
    ids: IntArray,
    offsets: Longs,
    tokens: Longs,
    token_offsets: Longs,
    max_window: int,
    bank_size: int,
    first_free_id: int,
) -> bool:
    """Mines a chunk from where `state` says, until it ends or the tree is full; returns whether it has ended."""
    while state[DOCUMENT] < offsets.size - 1:
        document = state[DOCUMENT]
        position, end = max(state[POSITION], offsets[document]), offsets[document + 1]
        while position < end:
            if state[NODES] == tree.nodes.shape[0]:
                state[POSITION] = position
                return False
            state[WINDOW] = _grown_by(tree, state, np.int64(ids[position]), tokens, max_window, bank_size, first_free_id)
            position += 1
        if state[WINDOW] != NONE:
            _emit(tree, state, tokens, first_free_id)
        state[WINDOW] = NONE
        token_offsets[document + 1] = state[EMITTED]
        state[DOCUMENT] = document + 1
    return True


@numba.njit(cache=True, nogil=True)
def _grown_by(
    tree: Tree, state: Longs, new: Token, tokens: Longs, max_window: int, bank_size: int, first_free_id: int
) -> Token:
    """Returns the window after one more id; emits the window before it if that is where it ends."""
    window, nodes = state[WINDOW], tree.nodes
    if window == NONE:
        return new
    slot = find_slot(tree.keys, pair_key(window, new))
    extension = np.int64(NONE) if tree.keys[slot] == EMPTY else tree.longer[slot, 0]
    if extension != NONE and nodes[extension, OLDER] != NOT_IN_BANK:
        _remember(nodes, state, extension, bank_size)
        return extension
    _remember(nodes, state, window, bank_size)
    if nodes[window, LENGTH] < max_window:
        if extension == NONE:
            extension = state[NODES]
            state[NODES] += 1
            tree.keys[slot], tree.longer[slot, 0] = pair_key(window, new), extension
            nodes[extension, PARENT], nodes[extension, LAST] = window, new
            nodes[extension, LENGTH] = nodes[window, LENGTH] + 1
        _remember(nodes, state, extension, bank_size)
    _emit(tree, state, tokens, first_free_id)
    return new


@numba.njit(cache=True, nogil=True)
def _remember(nodes: Longs, state: Longs, node: Token, bank_size: int) -> None:
    """Makes a sequence the one met last; forgets the one met least recently if the bank overflows."""
    if nodes[node, OLDER] == NOT_IN_BANK:
        state[REMEMBERED] += 1
    else:
        _unlink(nodes, state, node)
    newest = state[NEWEST]
    nodes[node, OLDER], nodes[node, NEWER] = newest, NONE
    if newest == NONE:
        state[OLDEST] = node
    else:
        nodes[newest, NEWER] = node
    state[NEWEST] = node
    if state[REMEMBERED] > bank_size:
        oldest = state[OLDEST]
        _unlink(nodes, state, oldest)
        nodes[oldest, OLDER] = NOT_IN_BANK
        state[REMEMBERED] -= 1


@numba.njit(cache=True, nogil=True)
def _unlink(nodes: Longs, state: Longs, node: Token) -> None:
    older, newer = nodes[node, OLDER], nodes[node, NEWER]
    if older == NONE:
        state[OLDEST] = newer
    else:
        nodes[older, NEWER] = newer
    if newer == NONE:
        state[NEWEST] = older
    else:
        nodes[newer, OLDER] = older


@numba.njit(cache=True, nogil=True)
def _emit(tree: Tree, state: Longs, tokens: Longs, first_free_id: int) -> None:
    """Gives the window's token, which gets the next free id if this is the first one."""
    window = state[WINDOW]
    if tree.nodes[window, TOKEN] == NONE:
        tree.nodes[window, TOKEN] = first_free_id + state[NAMED]
        tree.named[state[NAMED]] = window
        state[NAMED] += 1
    tokens[state[EMITTED]] = tree.nodes[window, TOKEN]
    state[EMITTED] += 1

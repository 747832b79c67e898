"""Segments, rays and rectangles on a plane, compiled.

Convention: a rectangle is [x0, y0, x1, y1] and open, so what only touches it is free. Where a segment from p
to p + d meets something is told by the part t of its length, 0 .. 1, and infinity where it does not.
"""

from __future__ import annotations

import numpy as np

from tradebot.core import Array
from tradebot.envs.random import compiled, inlined

STEEP = 1e30  # stands for 1 / 0 in the directions of rays: finite, so that 0 times it is 0


@inlined
def entry(px: float, py: float, dx: float, dy: float, box: Array) -> float:
    """Where the segment enters the rectangle: 0 if it starts in it."""
    enters, leaves = 0.0, np.inf
    if dx == 0.0:
        if px <= box[0] or px >= box[2]:
            return np.inf
    else:
        a, b = (box[0] - px) / dx, (box[2] - px) / dx
        enters, leaves = max(enters, min(a, b)), min(leaves, max(a, b))
    if dy == 0.0:
        if py <= box[1] or py >= box[3]:
            return np.inf
    else:
        a, b = (box[1] - py) / dy, (box[3] - py) / dy
        enters, leaves = max(enters, min(a, b)), min(leaves, max(a, b))
    return enters if enters < leaves and enters < 1.0 else np.inf


@inlined
def departure(px: float, py: float, dx: float, dy: float, size: float) -> float:
    """Where the segment leaves the map, the square from 0 to size, in which it starts."""
    t = np.inf
    if px + dx > size:
        t = min(t, (size - px) / dx)
    elif px + dx < 0.0:
        t = min(t, -px / dx)
    if py + dy > size:
        t = min(t, (size - py) / dy)
    elif py + dy < 0.0:
        t = min(t, -py / dy)
    return t


@inlined
def arrival(px: float, py: float, dx: float, dy: float, radius: float) -> float:
    """Where the segment first touches the disc around the origin, outside of which it starts."""
    a, b, c = dx * dx + dy * dy, px * dx + py * dy, px * px + py * py - radius * radius
    root = b * b - a * c
    if b >= 0.0 or root < 0.0:
        return np.inf
    t = c / (np.sqrt(root) - b)  # the smaller root of a t^2 + 2 b t + c, without cancellation
    return t if t <= 1.0 else np.inf


@compiled
def collision(px: float, py: float, dx: float, dy: float, boxes: Array) -> float:
    """Where the segment first enters one of the rectangles [K, 4]."""
    t = np.inf
    for k in range(len(boxes)):
        t = min(t, entry(px, py, dx, dy, boxes[k]))
    return t


@compiled
def visible(points: Array, boxes: Array) -> Array:
    """[P, P] bool: whether the segment between two of the points [P, 2] is free."""
    n = len(points)
    seen = np.ones((n, n), dtype=np.bool_)
    for i in range(n):
        for j in range(i):
            dx, dy = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1]
            seen[i, j] = seen[j, i] = collision(points[i, 0], points[i, 1], dx, dy, boxes) == np.inf
    return seen


def inverse_directions(rays: int) -> Array:
    """[2, R] 1 / cosine and 1 / sine of the angles k 2 pi / R."""
    angle = 2.0 * np.pi * np.arange(rays) / rays
    direction = np.stack([np.cos(angle), np.sin(angle)])
    direction[np.abs(direction) < 1e-12] = 0.0  # right angles are exact
    inverse = np.full_like(direction, STEEP)
    return np.asarray(np.divide(1.0, direction, out=inverse, where=direction != 0.0))


@compiled
def scan(
    px: float, py: float, boxes: Array, size: float, inverse: Array, reach: float, length: Array
) -> None:
    """length [R] := of rays from (px, py) to the first rectangle or the border, `reach` at the most.

    The innermost loop is over rays and has no branches, so that the processor takes several at a time.
    """
    for r in range(len(length)):
        ix, iy = inverse[0, r], inverse[1, r]
        border = min(max(-px * ix, (size - px) * ix), max(-py * iy, (size - py) * iy))
        length[r] = min(border, reach)
    for k in range(len(boxes)):
        left, low, right, high = boxes[k, 0] - px, boxes[k, 1] - py, boxes[k, 2] - px, boxes[k, 3] - py
        if left >= reach or right <= -reach or low >= reach or high <= -reach:
            continue
        for r in range(len(length)):
            a, b = left * inverse[0, r], right * inverse[0, r]
            c, d = low * inverse[1, r], high * inverse[1, r]
            enters = max(max(min(a, b), min(c, d)), 0.0)
            leaves = min(max(a, b), max(c, d))
            length[r] = enters if enters < leaves and enters < length[r] else length[r]


@compiled
def connected(start: Array, goal: Array, boxes: Array, size: float, blocked: Array, queue: Array) -> bool:
    """Whether a flood of free cells joins two points. Only its yes is certain: a cell that a rectangle
    overlaps is blocked as a whole.

    blocked [n, n] and queue [n n] are room to work in; the n x n cells cover the map.
    """
    n = len(blocked)
    cell = size / n
    blocked[:] = False
    for k in range(len(boxes)):
        last_x, last_y = min(int(boxes[k, 2] / cell), n - 1), min(int(boxes[k, 3] / cell), n - 1)
        blocked[int(boxes[k, 0] / cell) : last_x + 1, int(boxes[k, 1] / cell) : last_y + 1] = True
    i, j = min(int(start[0] / cell), n - 1), min(int(start[1] / cell), n - 1)
    end_i, end_j = min(int(goal[0] / cell), n - 1), min(int(goal[1] / cell), n - 1)
    if blocked[i, j] or blocked[end_i, end_j]:
        return False
    blocked[i, j] = True  # what has been reached is not entered again
    queue[0] = i * n + j
    head, tail = 0, 1
    while head < tail:
        i, j = divmod(queue[head], n)
        if i == end_i and j == end_j:
            return True
        head += 1
        for side in range(4):
            u, v = i + (side == 0) - (side == 1), j + (side == 2) - (side == 3)
            if 0 <= u < n and 0 <= v < n and not blocked[u, v]:
                blocked[u, v] = True
                queue[tail] = u * n + v
                tail += 1
    return False

"""Task-aligned learning of a detector without anchors: C. Feng et al., TOOD: Task-aligned One-stage Object Detection,
ICCV 2021. The points that learn an object are those whose score and box are already the best for it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

ALPHA, BETA, CANDIDATES = 1.0, 6.0, 13
"""Of the paper: alignment t = sᵅ uᵝ of score s and IoU u, and how many points learn an object."""
BOX_GAIN = 2.0
"""Weight of the boxes' loss beside that of the scores."""
EPS = 1e-7


def loss(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    points: torch.Tensor,
    strides: torch.Tensor,
    targets: list[dict[str, torch.Tensor]],
) -> torch.Tensor:
    """Of a batch: logits (b, p, classes), boxes (b, p, 4) corners, points (p, 2), strides (p,); all in px.

    The sums over all images are divided by the sum of the alignments, so that a crowded image does not count for more
    in one batch than in another.
    """
    aims, weights, wanted, found = [], [], [], []
    for score, box, target in zip(logits, boxes, targets, strict=True):
        aim, row, which = assign(score.detach().sigmoid(), box.detach(), points, strides, target)
        aims.append(aim)
        weights.append(aim.sum(1)[row])
        found.append(box[row])
        wanted.append(target["boxes"][which])
    aim, weight = torch.stack(aims), torch.cat(weights)
    total = weight.sum().clamp(min=1.0)
    apart = 1 - generalised_iou(torch.cat(found), torch.cat(wanted))
    kept = torch.stack([~ignored(points, target, aim) for aim, target in zip(aims, targets, strict=True)])
    scored = (focal(logits, aim) * kept[..., None]).sum()
    return (scored + BOX_GAIN * (apart * weight).sum()) / total


def focal(logits: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """|aim − s|² cross-entropy: quality focal loss (X. Li et al., Generalized Focal Loss, 2020)."""
    apart = (aim - logits.sigmoid()).square()
    return apart * F.binary_cross_entropy_with_logits(logits, aim, reduction="none")


def assign(
    scores: torch.Tensor,
    boxes: torch.Tensor,
    points: torch.Tensor,
    strides: torch.Tensor,
    target: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of one image: what the scores (p, classes) should be, which points learn a box, and which object (m of each)."""
    aim = torch.zeros_like(scores)
    there, classes = target["boxes"], target["labels"]
    if not len(there):
        nothing = torch.zeros(0, dtype=torch.long, device=scores.device)
        return aim, nothing, nothing
    overlap = iou(there[:, None], boxes[None])
    aligned = scores[:, classes].T.pow(ALPHA) * overlap.pow(BETA)
    aligned = torch.where(reachable(points, strides, there), aligned, -1.0)
    best, rows = aligned.topk(min(CANDIDATES, len(points)), dim=1)
    takes = torch.zeros_like(aligned).scatter_(1, rows, (best >= 0).to(aligned.dtype))
    # a point chosen for several objects learns the one that it overlaps most
    owner = torch.where(takes > 0, overlap, -1.0).argmax(0)
    row = (takes.sum(0) > 0).nonzero()[:, 0]
    which = owner[row]
    own = torch.zeros_like(aligned)
    own[which, row] = aligned[which, row]
    best_overlap = torch.where(own > 0, overlap, 0.0).amax(1)
    scaled = own[which, row] / (own.amax(1) + EPS)[which] * best_overlap[which]
    aim[row, classes[which]] = scaled.to(aim.dtype)
    return aim, row, which


def reachable(points: torch.Tensor, strides: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """(objects, p) whether a point lies in the box, widened to twice the stride where it is smaller than that."""
    middle, half = (there[:, :2] + there[:, 2:]) / 2, (there[:, 2:] - there[:, :2]) / 2
    wide = torch.maximum(half[:, None], strides[None, :, None])
    return ((points[None] - middle[:, None]).abs() < wide).all(2)


def ignored(points: torch.Tensor, target: dict[str, torch.Tensor], aim: torch.Tensor) -> torch.Tensor:
    """(p,) whether a point that learns no object lies in a region that counts neither way."""
    regions = target["ignore"]
    inside = (points[None] > regions[:, None, :2]) & (points[None] < regions[:, None, 2:])
    return inside.all(2).any(0) & (aim.sum(1) == 0)


def iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of corners (…, 4)."""
    shared, both = _shared(a, b)
    return shared / (both + EPS)


def generalised_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """−1…1, (m,): H. Rezatofighi et al., Generalized Intersection over Union, CVPR 2019."""
    shared, both = _shared(a, b)
    outer = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / (both + EPS) - (outer - both) / (outer + EPS)


def _shared(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Areas of intersection and union."""
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (a, b)]
    return shared, areas[0] + areas[1] - shared

"""Trains the weights of src/domain/emergency/learned.bin (scripts/train-emergencies): a logistic regression over the
places of features, which src/domain/emergency/features.rs assigns. Each feature of a text counts once, divided by the
square root of their number. Rare features are scaled up by their inverse document frequency, which the weights written
include: the service need not know it."""

import json
import struct
import sys

import numpy
import scipy.sparse
from sklearn.linear_model import LogisticRegression

PLACES = 1 << 18
# How large the weights may become, and how much more a rare feature counts: chosen by leaving authors out.
STRENGTH = 50
RARITY = 1.5

with open(sys.argv[1], encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
authors = numpy.array([row["author"] for row in rows])
labels = numpy.array([row["emergency"] for row in rows]).astype(int)
starts = numpy.cumsum([0] + [len(row["places"]) for row in rows])
places = numpy.concatenate([row["places"] for row in rows])
values = numpy.concatenate([numpy.full(len(row["places"]), len(row["places"]) ** -0.5) for row in rows])
texts = scipy.sparse.csr_matrix((values, places, starts), shape=(len(rows), PLACES))
found_in = numpy.bincount(places, minlength=PLACES)
rarity = (numpy.log(len(rows) / (1 + found_in)).clip(0.3) / 4) ** RARITY
texts = (texts @ scipy.sparse.diags(rarity)).tocsr()


def learn(chosen):
    return LogisticRegression(C=STRENGTH, tol=1e-5, max_iter=5000).fit(texts[chosen], labels[chosen])


right = false_alarms = missed = 0
for author in sorted(set(authors)):
    others = authors != author
    told = learn(others).decision_function(texts[~others]) > 0
    wanted = labels[~others] == 1
    right += int((told & wanted).sum())
    false_alarms += int((told & ~wanted).sum())
    missed += int((~told & wanted).sum())
print(
    f"each author left out in turn: precision {right / (right + false_alarms):.3f}, "
    f"recall {right / (right + missed):.3f} (the learned weights alone, without rules)"
)

model = learn(numpy.full(len(rows), True))
weights = model.coef_[0] * rarity
unit = numpy.abs(weights).max() / 32767
with open(sys.argv[2], "wb") as file:
    file.write(struct.pack("<ff", model.intercept_[0], unit))
    file.write(numpy.round(weights / unit).astype("<i2").tobytes())
print(f"{sys.argv[2]}: learned from {len(rows)} texts")

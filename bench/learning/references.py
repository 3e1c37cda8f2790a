"""What everybody would try first on the same features, to compare with: nearest mean and logistic regression."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # it ships no types
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]  # it ships no types

TINY = 1e-12


def nearest_mean(
    features: NDArray[np.float32], targets: NDArray[np.intp], asked: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Answers rows (m, D) by the mean, of each label's rows of length 1, that has the least angle to them; (m,).

    Source: Snell, Swersky and Zemel, Prototypical networks, 2017, with the cosine.
    """
    rows = unit(features)
    means = unit(np.stack([rows[targets == n].mean(axis=0) for n in range(int(targets.max()) + 1)]))
    answers: NDArray[np.intp] = np.argmax(unit(asked) @ means.T, axis=1)
    return answers


def logistic(features: NDArray[np.float32], targets: NDArray[np.intp], asked: NDArray[np.float32]) -> NDArray[np.intp]:
    """Answers rows (m, D) by scikit-learn's logistic regression with its own settings (C = 1) on rows of length 1."""
    return _regressed(unit(features), targets, unit(asked))


def logistic_standardised(
    features: NDArray[np.float32], targets: NDArray[np.intp], asked: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Answers rows (m, D) by the same, on columns of mean 0 and deviation 1."""
    scaler = StandardScaler().fit(features)
    return _regressed(scaler.transform(features), targets, scaler.transform(asked))


def _regressed(
    features: NDArray[np.float32], targets: NDArray[np.intp], asked: NDArray[np.float32]
) -> NDArray[np.intp]:
    fitted = LogisticRegression(max_iter=1000).fit(features, targets)
    return np.asarray(fitted.predict(asked), dtype=np.intp)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales rows (n, D) to length 1."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    return np.asarray(rows / lengths, dtype=np.float32)

"""What is learnt from pairs: the posterior, what to ask next, and that asking well helps."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from gantutor.errors import InputError
from gantutor.personal.preference import Taste, entropy, kernel


def groups(count=8, each=4, seed=0):
    """Points in groups that are 3 apart, pictures of a group about 1 apart; and the group of each."""
    labels = np.repeat(range(count), each)
    rng = np.random.default_rng(seed)
    return 2.1 * np.eye(20)[labels] + rng.normal(0, 1 / np.sqrt(40), (len(labels), 20)), labels


def test_before_any_answer_all_are_alike():
    taste = Taste(groups()[0])
    assert not taste.mean.any()
    np.testing.assert_allclose(taste.chances(), 0.5)
    np.testing.assert_allclose(taste.deviation, 1.5, rtol=1e-4)
    assert taste.weights(groups()[1]) == pytest.approx([1 / 8] * 8)


def test_mean_is_the_posteriors_mode():
    """Found once more by a general minimiser: prior and Bradley–Terry's likelihood, written out."""
    points, _ = groups(3, 3)
    taste = Taste(points)
    for pair in ((0, 3), (0, 6), (4, 7), (1, 0)):
        taste.prefer(*pair)
    precision = np.linalg.inv(taste.prior)

    def energy(u):
        return u @ precision @ u / 2 - sum(np.log(expit(u[a] - u[b])) for a, b in taste.pairs)

    found = minimize(energy, np.zeros(9), options={"gtol": 1e-8})
    np.testing.assert_allclose(taste.mean, found.x, atol=1e-4)
    curvature = precision.copy()
    for a, b in taste.pairs:
        p = expit(taste.mean[a] - taste.mean[b])
        sign = np.eye(9)[a] - np.eye(9)[b]
        curvature += p * (1 - p) * np.outer(sign, sign)
    np.testing.assert_allclose(taste.covariance, np.linalg.inv(curvature), atol=1e-4)


def test_a_like_reaches_the_pictures_of_its_style():
    points, labels = groups(4, 5)
    taste = Taste(points)
    taste.prefer(0, 5)
    assert taste.mean[labels == 0].min() > 0.3 > -0.3 > taste.mean[labels == 1].max()
    assert np.abs(taste.mean[labels >= 2]).max() < 0.05
    assert taste.deviation[labels < 2].max() < taste.deviation[labels >= 2].min()
    weights = taste.weights(labels)
    assert weights[0] == max(weights) and weights[1] == min(weights) and sum(weights) == pytest.approx(1)
    assert set(taste.ranking()[:5]) == set(range(5)) and set(taste.ranking()[-5:]) == set(range(5, 10))


def test_utilities_of_other_pictures_follow_their_neighbours():
    points, _ = groups(4, 5)
    taste = Taste(points)
    taste.prefer(0, 5)
    np.testing.assert_allclose(taste.utilities(points), taste.mean, atol=1e-3)
    far = np.full((1, 20), 50.0)
    assert abs(taste.utilities(far)[0]) < 1e-6
    near = points[:1] + 0.1
    assert taste.utilities(near)[0] > 0.3


def test_gain_is_the_mutual_information_of_answer_and_utilities():
    """By sampling from the posterior."""
    points, _ = groups(3, 2)
    taste = Taste(points)
    taste.prefer(0, 2)
    samples = np.random.default_rng(0).multivariate_normal(taste.mean, taste.covariance, 200_000)
    gains = taste.gains()
    for a, b in ((0, 2), (0, 4), (4, 5)):
        p = expit(samples[:, a] - samples[:, b])
        assert gains[a, b] == pytest.approx(entropy(p.mean()) - entropy(p).mean(), abs=2e-3)
    assert gains[4, 5] < gains[0, 2] < gains[2, 4]  # of one style; asked before; a style never asked about


def test_next_pair_tells_most_and_is_new():
    taste = Taste(groups()[0], seed=1)
    asked = set()
    for _ in range(40):
        gains = taste.gains()
        a, b = taste.next_pair()
        open_pairs = [gains[i, j] for i in range(32) for j in range(i) if frozenset((i, j)) not in asked]
        assert gains[a, b] >= max(open_pairs) * (1 - 1e-5)
        assert frozenset((a, b)) not in asked
        asked.add(frozenset((a, b)))
        taste.prefer(a, b)


def test_all_pairs_asked():
    taste = Taste(groups(3, 1)[0])
    for _ in range(3):
        taste.prefer(*taste.next_pair())
    with pytest.raises(InputError, match="all pairs have been compared"):
        taste.next_pair()


def test_answers_can_be_taken_back():
    taste = Taste(groups()[0])
    taste.prefer(0, 5)
    before = taste.mean.copy(), taste.covariance.copy()
    taste.prefer(9, 1)
    taste.forget()
    np.testing.assert_allclose(taste.mean, before[0])
    np.testing.assert_allclose(taste.covariance, before[1])
    taste.forget()
    taste.forget()
    assert taste.pairs == [] and not taste.mean.any()


def test_contradictions_cancel():
    taste = Taste(groups()[0])
    for pair in ((0, 5), (5, 0)):
        taste.prefer(*pair)
    np.testing.assert_allclose(taste.mean, 0, atol=1e-6)
    assert taste.deviation[0] < 1.45


def simulated(choose, users=100, clicks=15):
    """Mean AUC on unseen pictures of users who like two of eight groups and err in one click of ten."""
    scores = []
    for user in range(users):
        rng = np.random.default_rng(user)
        points, labels = groups(8, 10, seed=user)
        seen, unseen = np.arange(80) % 10 < 4, np.arange(80) % 10 >= 4
        liked = np.isin(labels, rng.permutation(8)[:2])
        taste = Taste(points[seen], user)
        for _ in range(clicks):
            a, b = taste.next_pair() if choose else rng.permutation(seen.sum())[:2]
            la, lb = liked[seen][[a, b]]
            first = rng.random() < 0.5 if la == lb else (la > lb) != (rng.random() < 0.1)
            taste.prefer(*((a, b) if first else (b, a)))
        scores.append(roc_auc_score(liked[unseen], taste.utilities(points[unseen])))
    return np.mean(scores)


def test_fifteen_clicks_tell_what_somebody_likes_and_chosen_pairs_tell_more():
    active, random = simulated(True), simulated(False)
    assert active > 0.85
    assert active > random + 0.01


def test_bad_pairs():
    with pytest.raises(InputError, match="1 pictures make no pair"):
        Taste(np.zeros((1, 5)))
    taste = Taste(groups()[0])
    for pair, words in (((0, 0), "better than itself"), ((0, 32), "no picture 32"), ((-1, 2), "no picture -1")):
        with pytest.raises(InputError, match=words):
            taste.prefer(*pair)
    assert taste.pairs == []


def test_kernel_falls_with_distance():
    line = np.arange(4.0)[:, None]
    row = kernel(line, line)[0]
    assert row[0] == pytest.approx(2.25) and (np.diff(row) < 0).all()
    assert row[1] == pytest.approx(2.25 * np.exp(-0.5))

"""Random arrays: the same for any chunks, distributed as named, and as strict about parameters as NumPy."""

import numpy as np
import pytest

import selion.array as da

# Parameters of each distribution for which the first moments exist and are well behaved.
PARAMETERS = {
    "beta": (2.0, 3.0),
    "binomial": (20, 0.3),
    "chisquare": (3.0,),
    "exponential": (2.0,),
    "f": (5.0, 20.0),
    "gamma": (2.0, 3.0),
    "geometric": (0.3,),
    "gumbel": (1.0, 2.0),
    "hypergeometric": (30, 40, 10),
    "laplace": (1.0, 2.0),
    "logistic": (1.0, 2.0),
    "lognormal": (0.5, 0.4),
    "logseries": (0.6,),
    "negative_binomial": (5, 0.4),
    "noncentral_chisquare": (3.0, 2.0),
    "noncentral_f": (5.0, 30.0, 2.0),
    "normal": (-1.0, 2.0),
    "pareto": (6.0,),
    "poisson": (4.0,),
    "power": (3.0,),
    "rayleigh": (2.0,),
    "standard_exponential": (),
    "standard_gamma": (2.5,),
    "standard_normal": (),
    "standard_t": (8.0,),
    "triangular": (-1.0, 0.5, 2.0),
    "uniform": (-1.0, 3.0),
    "vonmises": (0.3, 2.0),
    "wald": (2.0, 3.0),
    "weibull": (1.5,),
    "zipf": (6.0,),
}
# What NumPy raises ValueError for, and so must selion, when the method is called.
WRONG = [
    ("beta", (0.0, 1.0)),
    ("beta", (1.0, -1.0)),
    ("binomial", (-1, 0.5)),
    ("binomial", (3, 1.5)),
    ("binomial", (3, float("nan"))),
    ("chisquare", (0.0,)),
    ("exponential", (-1.0,)),
    ("f", (0.0, 1.0)),
    ("gamma", (-1.0, 1.0)),
    ("geometric", (0.0,)),
    ("gumbel", (0.0, -1.0)),
    ("hypergeometric", (3, 4, 8)),
    ("hypergeometric", (-1, 4, 2)),
    ("laplace", (0.0, -1.0)),
    ("logistic", (0.0, -1.0)),
    ("lognormal", (0.0, -1.0)),
    ("logseries", (1.0,)),
    ("negative_binomial", (0, 0.5)),
    ("noncentral_chisquare", (1.0, -1.0)),
    ("normal", (0.0, -1.0)),
    ("pareto", (0.0,)),
    ("poisson", (-1.0,)),
    ("poisson", (float("nan"),)),
    ("poisson", (1e20,)),
    ("power", (0.0,)),
    ("rayleigh", (-1.0,)),
    ("standard_gamma", (-1.0,)),
    ("standard_t", (0.0,)),
    ("triangular", (0.0, 3.0, 1.0)),
    ("triangular", (1.0, 1.0, 1.0)),
    ("vonmises", (0.0, -1.0)),
    ("wald", (0.0, 1.0)),
    ("weibull", (-1.0,)),
    ("zipf", (1.0,)),
]


@pytest.mark.parametrize("name", sorted({*PARAMETERS, "standard_cauchy"}))
def test_chunks_do_not_matter(name):
    params = PARAMETERS.get(name, ())
    draws = [
        getattr(da.random.default_rng(5), name)(*params, size=(40, 30), chunks=chunks).compute()
        for chunks in [(40, 30), (7, 11), ((1, 39), (29, 1))]
    ]
    np.testing.assert_array_equal(draws[1], draws[0])
    np.testing.assert_array_equal(draws[2], draws[0])
    want = getattr(np.random.default_rng(5), name)(*params, size=1)
    assert draws[0].dtype == want.dtype


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_moments_are_those_of_numpy(name):
    params, n = PARAMETERS[name], 100_000
    ours = getattr(da.random.default_rng(11), name)(*params, size=n, chunks=30_000).compute()
    numpys = getattr(np.random.default_rng(12), name)(*params, size=n)
    # Five standard errors of the difference of two means; variances of heavy tails spread more.
    assert abs(ours.mean() - numpys.mean()) < 5 * numpys.std() * np.sqrt(2 / n)
    assert ours.std() == pytest.approx(numpys.std(), rel=0.15)
    probabilities = [0.1, 0.5, 0.9]
    spread = 0.05 * numpys.std() + (1 if numpys.dtype.kind == "i" else 0)
    assert np.abs(np.quantile(ours, probabilities) - np.quantile(numpys, probabilities)).max() <= spread


@pytest.mark.parametrize(("name", "params"), WRONG)
def test_parameters_are_checked_when_called(name, params):
    with pytest.raises(ValueError) as numpys:
        getattr(np.random.default_rng(), name)(*params, size=3)
    with pytest.raises(ValueError) as ours:
        getattr(da.random.default_rng(), name)(*params, size=3)
    # NumPy words NaN differently for scalars and arrays, and in its versions.
    assert str(ours.value).replace("contains NaNs", "is NaN") == str(numpys.value).replace("contains NaNs", "is NaN")


def test_parameters_of_uniform_are_checked():
    with pytest.raises(ValueError, match="high - low < 0"):
        da.random.default_rng().uniform(1.0, 0.0, size=3)
    with pytest.raises((ValueError, OverflowError), match="range exceeds valid bounds"):
        da.random.default_rng().uniform(0.0, float("inf"), size=3)


def test_array_parameters():
    low = np.array([0.0, 10.0, 20.0])
    x = da.random.default_rng(0).uniform(low, low + 1, size=(50, 3), chunks=(20, 2)).compute()
    assert ((x >= low) & (x < low + 1)).all()
    assert da.random.default_rng(0).normal(low).shape == (3,)
    loc = da.from_array(low, chunks=2)
    y = da.random.default_rng(0).normal(loc, 0.0, size=(4, 3), chunks=2).compute()
    np.testing.assert_array_equal(y, np.broadcast_to(low, (4, 3)))
    with pytest.raises(ValueError):
        da.random.default_rng(0).normal(low, size=(3, 2))


def test_array_parameters_are_checked():
    with pytest.raises(ValueError, match="scale < 0"):
        da.random.default_rng(0).normal(0.0, np.array([1.0, -1.0]), size=2)


def test_streams_differ_and_seeds_repeat():
    rng = da.random.default_rng(3)
    a, b = rng.normal(size=100).compute(), rng.normal(size=100).compute()
    assert (a != b).all()
    np.testing.assert_array_equal(da.random.default_rng(3).normal(size=100).compute(), a)
    assert (da.random.default_rng(4).normal(size=100).compute() != a).all()
    fresh = [da.random.default_rng().normal(size=10).compute() for _ in range(2)]
    assert (fresh[0] != fresh[1]).all()
    assert da.random.default_rng(rng) is rng
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.5


def test_an_array_is_the_same_each_time_it_is_computed():
    x = da.random.default_rng(0).normal(size=1000, chunks=100)
    np.testing.assert_array_equal(x.compute(), x.compute(scheduler="synchronous"))
    assert (x - x).sum().compute() == 0


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "?"])
def test_integers(dtype):
    high = 2 if dtype == "?" else 100
    x = da.random.default_rng(1).integers(0, high, size=5000, dtype=dtype, chunks=999).compute()
    assert x.dtype == dtype
    assert np.unique(x).size == high
    y = da.random.default_rng(1).integers(0, high - 1, size=5000, dtype=dtype, endpoint=True).compute()
    assert np.unique(y).size == high


def test_integers_are_checked():
    rng = da.random.default_rng(1)
    with pytest.raises(ValueError, match="low >= high"):
        rng.integers(3, 3, size=2)
    with pytest.raises(ValueError, match="high is out of bounds for int8"):
        rng.integers(0, 1000, size=2, dtype="i1")
    with pytest.raises(ValueError, match="low is out of bounds for uint8"):
        rng.integers(-1, 10, size=2, dtype="u1")
    with pytest.raises(TypeError):
        rng.integers(0, 10, size=2, dtype="f8")
    whole = rng.integers(np.iinfo("i8").min, np.iinfo("i8").max, size=1000, endpoint=True).compute()
    assert whole.min() < -(2**60)
    assert whole.max() > 2**60
    assert (rng.integers(np.int64(2**62), np.int64(2**62 + 1), size=3).compute() == 2**62).all()


def test_random_and_scalars():
    x = da.random.default_rng(2).random((300, 300), chunks=100).compute()
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() < 1
    assert da.random.default_rng(2).random((3,), dtype="f4").dtype == "f4"
    assert da.random.default_rng(2).normal().shape == ()
    assert da.random.default_rng(2).poisson(3.0).compute() >= 0
    assert da.random.default_rng(2).normal(size=(0, 3)).compute().shape == (0, 3)
    assert da.random.default_rng(2).normal(size=np.int64(3)).shape == (3,)
    with pytest.raises(TypeError):
        da.random.default_rng(2).beta(1.0)
    with pytest.raises(TypeError):
        da.random.default_rng(2).normal(scale=1.0, sigma=2.0)


def test_choice():
    rng = da.random.default_rng(7)
    x = rng.choice(5, size=(100, 10), chunks=(30, 10)).compute()
    assert set(np.unique(x)) == set(range(5))
    weighted = rng.choice(3, size=9000, p=[0.5, 0.0, 0.5]).compute()
    assert np.bincount(weighted, minlength=3)[1] == 0
    assert sorted(rng.choice(6, size=6, replace=False).compute()) == list(range(6))
    for wrong in [
        lambda: rng.choice(0, size=2),
        lambda: rng.choice(3, size=4, replace=False),
        lambda: rng.choice(3, size=2, p=[0.5, 0.1, 0.1]),
        lambda: rng.choice(3, size=2, p=[0.5, 0.5]),
        lambda: rng.choice(3, size=2, p=[1.5, -0.5, 0.0]),
    ]:
        with pytest.raises(ValueError):
            wrong()


def test_permutation():
    assert sorted(da.random.default_rng(7).permutation(10).compute()) == list(range(10))
    with pytest.raises(IndexError):
        da.random.default_rng(7).permutation(np.float64(1.5))


def test_random_state_and_the_module():
    a = da.random.RandomState(4)
    first = a.normal(1.0, 2.0, size=20, chunks=7).compute()
    a.seed(4)
    np.testing.assert_array_equal(a.normal(1.0, 2.0, size=20).compute(), first)
    da.random.seed(4)
    np.testing.assert_array_equal(da.random.normal(1.0, 2.0, size=20).compute(), first)
    assert da.random.random((3, 4), chunks=2).shape == (3, 4)
    assert da.random.random_sample(5).compute().max() < 1
    x = da.random.randint(0, 10, size=1000, chunks=100).compute()
    assert (x.min(), x.max()) == (0, 9)
    assert da.random.uniform(2.0, 3.0, size=3).compute().min() >= 2
    assert da.random.standard_normal((2, 2)).shape == (2, 2)
    assert da.random.exponential(2.0, size=3).compute().min() >= 0
    assert da.random.poisson(2.0, size=3).dtype == np.random.default_rng().poisson(2.0, size=3).dtype
    with pytest.raises(ValueError):
        da.random.seed(-1)

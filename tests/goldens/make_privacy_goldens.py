#!/usr/bin/env python3
"""Goldens of the Renyi accountant: privacy.json.

    pip install dp-accounting==0.6.0 opacus==1.6.0 mpmath
    python tests/goldens/make_privacy_goldens.py            # writes privacy.json beside this file
    python tests/goldens/make_privacy_goldens.py --check    # says whether privacy.json is what it would write

- `poisson`: Renyi divergence of one round whose collaborators take part by coins, at an order: `exact` is the integral
  itself (mpmath, 30 digits), `opacus` the series of Mironov, Talwar and Zhang 2019 as Opacus has it.
- `without_replacement`: the bound of Wang, Balle and Kasiviswanathan 2019 (Theorem 27) for a round that takes a fixed
  number, with its differences in 400 digits. dp-accounting has the same bound with differences in float64, which cancel
  where noise is large; `dp_accounting` is what it says.
- `epsilon`: what so many rounds come to at a delta, by dp-accounting and, for Poisson sampling, Opacus. `noise` is over
  the sensitivity, which is that of one more or less for Poisson, and of one replaced without replacement.
- `noise`: the smallest noise for an epsilon, by dp-accounting.
"""

import json
import math
import pathlib
import sys

import dp_accounting
import mpmath as mp
from dp_accounting import rdp
from dp_accounting.rdp import rdp_privacy_accountant as google
from opacus.accountants.analysis import rdp as opacus

FILE = pathlib.Path(__file__).with_name("privacy.json")
RELATION = {
    "poisson": dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE,
    "without-replacement": dp_accounting.NeighboringRelation.REPLACE_ONE,
}
# Rates are parts of this many.
COUNT = 10**6


def poisson(rate, noise, order):
    """E_0[((1 - q) + q mu_1 / mu_0)^order], by quadrature."""
    mp.mp.dps = 30
    q, s, a = mp.mpf(rate), mp.mpf(noise), mp.mpf(order)

    def integrand(z):
        ratio = 1 - q + q * mp.exp((2 * z - 1) / (2 * s * s))
        return mp.npdf(z, 0, s) * ratio**a

    points = [-30 * s, -4 * s, 0, mp.mpf(1) / 2, 1, 4 * s, a / 2, a, a + 4 * s, a + 30 * s]
    exact = mp.log(mp.quad(integrand, sorted(set(points)))) / (a - 1)
    # Opacus sums until terms are below e^-30 by themselves, so that it is only right for larger sums.
    other = float(opacus.compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=float(order)))
    return {"rate": rate, "noise": noise, "order": order, "exact": float(exact), "opacus": other}


def without_replacement(rate, noise, order):
    mp.mp.dps = 400
    q, s = mp.mpf(rate), mp.mpf(noise)

    def difference(l):
        values = (mp.binomial(l, i) * (-1) ** (l - i) * mp.exp(mp.mpf((i - 1) * i) / (2 * s * s)) for i in range(l + 1))
        return mp.fsum(values)

    total = mp.mpf(1)
    for j in range(2, order + 1):
        plain = 2 * mp.exp(mp.mpf((j - 1) * j) / (2 * s * s))
        low, high = difference(2 * (j // 2)), difference(2 * -(-j // 2))
        total += q**j * mp.binomial(order, j) * min(plain, 4 * mp.sqrt(low * high))
    bound = float(mp.log(total) / (order - 1))
    other = float(google._compute_rdp_sample_wor_gaussian_scalar(rate, noise, order))
    return {"rate": rate, "noise": noise, "order": order, "exact": bound, "dp_accounting": other}


def event(sampling, rate, noise):
    gaussian = dp_accounting.GaussianDpEvent(noise)
    if sampling == "poisson":
        return dp_accounting.PoissonSampledDpEvent(rate, gaussian)
    return dp_accounting.SampledWithoutReplacementDpEvent(COUNT, round(rate * COUNT), gaussian)


def epsilon(sampling, rate, noise, rounds, delta):
    accountant = rdp.RdpAccountant(neighboring_relation=RELATION[sampling])
    accountant.compose(event(sampling, rate, noise), rounds)
    case = {"sampling": sampling, "rate": rate, "noise": noise, "rounds": rounds, "delta": delta}
    case["dp_accounting"] = float(accountant.get_epsilon(delta))
    if sampling == "poisson":
        orders = [float(order) for order in google.DEFAULT_RDP_ORDERS]
        spent = opacus.compute_rdp(q=rate, noise_multiplier=noise, steps=rounds, orders=orders)
        case["opacus"] = float(opacus.get_privacy_spent(orders=orders, rdp=spent, delta=delta)[0])
    return case


def smallest(sampling, rate, epsilon, rounds, delta):
    noise = dp_accounting.calibrate_dp_mechanism(
        lambda: rdp.RdpAccountant(neighboring_relation=RELATION[sampling]),
        lambda noise: dp_accounting.SelfComposedDpEvent(event(sampling, rate, noise), rounds),
        epsilon,
        delta,
        bracket_interval=dp_accounting.ExplicitBracketInterval(0.1, 50.0),
        tol=1e-7,
    )
    case = {"sampling": sampling, "rate": rate, "epsilon": epsilon, "rounds": rounds, "delta": delta}
    return case | {"dp_accounting": float(noise)}


def goldens():
    return {
        "poisson": [
            poisson(rate, noise, order)
            for rate, noise in ((0.01, 4.0), (0.004, 1.1), (0.05, 0.8), (0.3, 2.0), (0.7, 1.5), (0.5, 6.0))
            for order in (1.1, 1.5, 2.0, 2.7, 6.3, 10.9, 32.0)
        ],
        "without_replacement": [
            without_replacement(rate, noise, order)
            for rate, noise in ((0.01, 4.0), (0.05, 0.5), (0.05, 1.0), (0.3, 2.0), (0.05, 20.0), (0.7, 8.0))
            for order in (2, 3, 6, 17, 64)
        ],
        "epsilon": [
            epsilon("poisson", 256 / 60000, 1.1, 14062, 1e-5),
            epsilon("poisson", 0.01, 4.0, 10000, 1e-5),
            epsilon("poisson", 0.05, 1.0, 100, 1e-5),
            epsilon("poisson", 0.05, 0.5, 10, 1e-6),
            epsilon("poisson", 1.0, 5.0, 20, 1e-5),
            epsilon("poisson", 0.5, 3.0, 1, 1e-9),
            epsilon("without-replacement", 0.05, 1.0, 100, 1e-5),
            epsilon("without-replacement", 0.05, 0.5, 100, 1e-5),
            epsilon("without-replacement", 0.01, 2.0, 1000, 1e-6),
            epsilon("without-replacement", 1.0, 5.0, 20, 1e-5),
            epsilon("without-replacement", 0.2, 1.5, 40, 1e-5),
        ],
        "noise": [
            smallest("poisson", 0.05, 8.0, 100, 1e-5),
            smallest("poisson", 1.0, 1.0, 10, 1e-5),
            smallest("without-replacement", 0.05, 8.0, 100, 1e-5),
        ],
    }


if __name__ == "__main__":
    made = goldens()
    text = json.dumps(made, indent=1) + "\n"
    if "--check" in sys.argv:
        sys.exit(0 if FILE.read_text() == text else f"{FILE.name} is not what this script writes")
    FILE.write_text(text)
    for case in made["poisson"] + made["without_replacement"]:
        other = case.get("opacus", case.get("dp_accounting"))
        if not math.isclose(case["exact"], other, rel_tol=1e-6):
            print("the library differs from the exact value:", case)

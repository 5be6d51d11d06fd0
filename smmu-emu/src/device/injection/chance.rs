// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Chance without a state: a number follows from the seed, the rule, the operation and what it is for. So neither the
//! order in which threads come nor other rules change what a rule does, and an operation can be replayed alone.

use crate::plan::{Bounds, Exponential, Time};

/// Purpose of a number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    /// Whether a rule hits.
    Hit = 0,
    /// For how long.
    Time = 1,
}

/// The numbers of one operation at one rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// `stream` tells rules apart; all of them have the seed in common.
    pub(super) const fn new(seed: u64, stream: u64, operation: u64) -> Self {
        Self(mixed(
            mixed(mixed(seed).wrapping_add(stream.wrapping_mul(GOLDEN)))
                .wrapping_add(operation.wrapping_mul(GOLDEN)),
        ))
    }

    /// A number of 64 bits.
    pub(super) const fn draw(self, what: Draw) -> u64 {
        mixed(self.0.wrapping_add((what as u64 + 1).wrapping_mul(GOLDEN)))
    }

    /// Microseconds.
    pub(super) fn time_us(self, time: Time) -> u64 {
        let number = self.draw(Draw::Time);
        match time {
            Time::Fixed(time) => time,
            Time::Uniform(Bounds { min, max }) => min + number % max.saturating_sub(min).saturating_add(1),
            Time::Exponential(Exponential { mean, max }) => exponential(mean, number).min(max),
        }
    }
}

/// The finalizer of splitmix64.
const fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `-mean * ln(u)` for u = number / 2^64, in integers: the same bits on every machine.
fn exponential(mean: u64, number: u64) -> u64 {
    /// ln 2 in units of 2^-32.
    const LN_2: u128 = 0xb172_17f8;
    let number = number | 1;
    // -log2 of u is one more than the leading zeros, less log2 of the mantissa from 1 to 2.
    let zeros = number.leading_zeros();
    let mut mantissa = u128::from(number << zeros);
    let mut log: u128 = 0;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        log <<= 1;
        if mantissa >> 64 != 0 {
            log |= 1;
            mantissa >>= 1;
        }
    }
    let log = ((u128::from(zeros) + 1) << 32) - log;
    let time = (u128::from(mean) * ((log * LN_2) >> 32)) >> 32;
    u64::try_from(time).unwrap_or(u64::MAX)
}

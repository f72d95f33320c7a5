//! Runs a scenario with many seeds at both levels, and says which one failed.

use std::env;

use zre_sim::Level;

/// Runs a scenario with `count` seeds at each level.
///
/// The variable `ZRE_SEEDS` multiplies the number of seeds, `ZRE_SEED` runs a single one.
pub(crate) fn for_each_seed(count: u64, scenario: impl Fn(Level, u64)) {
    for_each_seed_at(&[Level::Bytes, Level::Messages], count, scenario);
}

/// The same at some levels only.
pub(crate) fn for_each_seed_at(levels: &[Level], count: u64, scenario: impl Fn(Level, u64)) {
    let seeds = match number("ZRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..count * number("ZRE_SEEDS").unwrap_or(1),
    };
    for seed in seeds {
        for level in levels {
            let _told = ToldOnPanic {
                level: *level,
                seed,
            };
            scenario(*level, seed);
        }
    }
}

/// A number from 0 to `below - 1` that depends on the seed and on a salt.
pub(crate) fn pick(seed: u64, salt: u64, below: u64) -> u64 {
    let mut mixed = seed.wrapping_add((salt + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % below
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is {value:?}, it must be a number")))
}

struct ToldOnPanic {
    level: Level,
    seed: u64,
}

impl Drop for ToldOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { level, seed } = self;
            eprintln!("failed at the level {level:?} with seed {seed}; ZRE_SEED={seed} repeats it");
        }
    }
}

//! How costs grow with the network.

use super::options::Options;

/// How much smaller the smaller networks are.
const PARTS: [u32; 4] = [10, 5, 2, 1];

/// The sizes of the networks to simulate, the smallest first and the one that was asked for last.
pub(super) fn sizes(options: &Options) -> Vec<u32> {
    if !options.has_growth() {
        return vec![options.nodes];
    }
    let mut sizes: Vec<_> = PARTS.iter().map(|part| options.nodes / part).collect();
    sizes.retain(|nodes| *nodes >= 2 || *nodes == options.nodes);
    sizes.dedup();
    sizes
}

//! How costs grow with the network.

use super::options::Options;

/// The sizes of the smaller networks, in tenths of the whole. Together they need a fifth of its
/// time.
const TENTHS: [u64; 4] = [1, 2, 4, 10];

/// The sizes of the networks to simulate, the smallest first and the one that was asked for last.
pub(super) fn sizes(options: &Options) -> Vec<u32> {
    if !options.has_growth() {
        return vec![options.nodes];
    }
    let mut sizes: Vec<_> = TENTHS
        .iter()
        .filter_map(|tenths| u32::try_from(u64::from(options.nodes) * tenths / 10).ok())
        .collect();
    sizes.retain(|nodes| *nodes >= 2 || *nodes == options.nodes);
    sizes.dedup();
    sizes
}

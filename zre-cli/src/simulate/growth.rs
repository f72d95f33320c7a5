//! How costs grow with the network.

/// The sizes of the smaller networks, in tenths of the whole. Together they need a fifth of its
/// time.
const TENTHS: [u64; 4] = [1, 2, 4, 10];

/// The sizes of the networks to simulate, the smallest first and the one that was asked for last.
pub(super) fn sizes(nodes: u32, has_growth: bool) -> Vec<u32> {
    if !has_growth {
        return vec![nodes];
    }
    let mut sizes: Vec<_> = TENTHS
        .iter()
        .filter_map(|tenths| u32::try_from(u64::from(nodes) * tenths / 10).ok())
        .collect();
    // A single node has nobody to find.
    sizes.retain(|size| *size >= 2 || *size == nodes);
    sizes.dedup();
    sizes
}

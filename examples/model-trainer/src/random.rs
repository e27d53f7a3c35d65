//! A small seeded random number generator (`SplitMix64`).
//!
//! The train/test split and the order of the batches must be the same on every
//! machine and after every upgrade of a dependency, so the generator is written
//! out here rather than taken from a crate that may change its algorithm.

/// Seeded generator whose sequence depends on nothing but the seed.
#[derive(Debug, Clone)]
pub(crate) struct SeededRandom {
    state: u64,
}

impl SeededRandom {
    /// Generator for one purpose: the same seed with another stream number
    /// gives an unrelated sequence.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut outer = Self { state: seed };
        let mut inner = Self { state: outer.next_u64() ^ stream };
        Self { state: inner.next_u64() }
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform number in `-limit..limit`.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit into an f32 exactly")]
    pub(crate) fn uniform(&mut self, limit: f32) -> f32 {
        let unit = (self.next_u64() >> 40) as f32 / (1_u32 << 24) as f32;
        (2.0 * unit - 1.0) * limit
    }

    /// Shuffles the items in place (Fisher-Yates).
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below an usize")]
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next_u64() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_same_on_every_machine() {
        // The first number of the published SplitMix64 for this state.
        assert_eq!(SeededRandom { state: 1_234_567 }.next_u64(), 6_457_827_717_110_365_317);
        let mut order: Vec<u32> = (0..8).collect();
        SeededRandom::new(42, 0).shuffle(&mut order);
        assert_eq!(order, [4, 3, 2, 1, 0, 5, 7, 6]);
    }

    #[test]
    fn streams_differ_and_numbers_stay_within_the_limit() {
        let mut first = SeededRandom::new(1, 0);
        let mut second = SeededRandom::new(1, 1);
        assert_ne!(first.next_u64(), second.next_u64());
        assert!((0..1000).all(|_| first.uniform(0.5).abs() <= 0.5));
    }
}

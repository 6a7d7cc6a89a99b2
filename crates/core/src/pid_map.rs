//! Pid map: a hash map keyed by pid, with a hasher that costs two instructions where the standard one costs sixty.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::pid::Pid;

/// A map from pid to `V`. Pids are handed out by the runtime and not chosen by strangers, so no keyed hash is needed.
pub(crate) type PidMap<V> = HashMap<Pid, V, BuildHasherDefault<PidHasher>>;

/// Multiplies by 2^64 divided by the golden ratio and folds the product, so that both ends of the hash are mixed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PidHasher(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for PidHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(GOLDEN);
        self.0 = mixed ^ mixed >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in() {
        let mut map = PidMap::default();
        for index in 0..10_000_u32 {
            map.insert(Pid::new(index, 1 + index % 3), index);
        }
        assert!((0..10_000_u32).all(|index| map.get(&Pid::new(index, 1 + index % 3)) == Some(&index)));
        assert_eq!(map.get(&Pid::new(1, 1)), None);
    }
}

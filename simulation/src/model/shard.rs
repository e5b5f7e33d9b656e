//! The set of states: a hash, and a table that keeps the order in which states were found.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// A multiplicative hash: states are small and come from ourselves.
#[derive(Default)]
pub(super) struct StateHasher(u64);

impl Hasher for StateHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(eight));
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(26) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }
}

type BuildStateHasher = BuildHasherDefault<StateHasher>;

/// A map with that hash.
pub(super) type FastMap<K, V> = std::collections::HashMap<K, V, BuildStateHasher>;

pub(super) fn hash_state(state: &impl Hash) -> u64 {
    BuildStateHasher::default().hash_one(state)
}

/// A part of the states, found by their hash.
pub(super) struct StateShard<S> {
    /// One more than the place of a state; 0 where there is none.
    table: Vec<u32>,
    pub(super) states: Vec<S>,
    pub(super) parents: Vec<u32>,
}

impl<S: Copy + Eq + Hash> StateShard<S> {
    pub(super) fn new() -> Self {
        Self {
            table: vec![0; 1 << 10],
            states: vec![],
            parents: vec![],
        }
    }

    /// The state's place, or the free slot where it belongs.
    pub(super) fn find(&self, hash: u64, state: &S) -> Result<usize, usize> {
        let mask = self.table.len() - 1;
        let mut slot = table_slot(hash, mask);
        loop {
            match self.table[slot] {
                0 => return Err(slot),
                n if self.states[n as usize - 1] == *state => return Ok(n as usize - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    pub(super) fn add(&mut self, hash_of: u64, state: S, parent: u32) {
        let Err(slot) = self.find(hash_of, &state) else {
            return;
        };
        self.states.push(state);
        self.parents.push(parent);
        self.table[slot] = to_u32(self.states.len());
        if self.states.len() * 2 > self.table.len() {
            self.table = vec![0; self.table.len() * 2];
            let mask = self.table.len() - 1;
            for (n, state) in self.states.iter().enumerate() {
                let mut slot = table_slot(hash_state(state), mask);
                while self.table[slot] != 0 {
                    slot = (slot + 1) & mask;
                }
                self.table[slot] = to_u32(n + 1);
            }
        }
    }
}

/// The low bits choose the shard, so the place comes from the others.
fn table_slot(hash: u64, mask: usize) -> usize {
    usize::try_from(hash >> 8).unwrap_or_default() & mask
}

pub(super) fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or_else(|_| unreachable!("more states than can be numbered"))
}

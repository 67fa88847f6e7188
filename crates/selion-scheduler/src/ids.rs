//! Who is who: keys of tasks, workers, clients, and the order of tasks.

use serde::{Deserialize, Serialize};

/// The identity of a task, and of the value it makes: 128 bits of a hash of what the user calls it.
///
/// The tasks of a plan are numbered from their plan's own key, so that they need no names: see [`Key::nth`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Key(pub u128);

impl Key {
    /// The key of task number `index` of the plan whose key this is.
    ///
    /// ```
    /// use selion_scheduler::Key;
    /// assert_eq!(Key(7).nth(3), Key(10));
    /// ```
    pub fn nth(self, index: u32) -> Key {
        Key(self.0.wrapping_add(u128::from(index)))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The content hash of something that travels once per worker: a function, or the plan of a graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct BlobId(pub u128);

/// A worker, for as long as the scheduler lives. Numbers are not used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct WorkerId(pub u32);

/// A client, for as long as the scheduler lives. Numbers are not used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ClientId(pub u32);

/// Microseconds of a clock that never goes back, from any fixed moment: whoever runs a state machine tells it the time.
pub type Micros = u64;

/// The place of a task in the order: smaller runs first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Priority {
    /// Minus the priority that the user gave.
    pub urgency: i32,
    /// Submissions are counted; earlier ones run first.
    pub generation: u32,
    /// The place within its submission: of a graph, depth first.
    pub place: u32,
}

/// Hashing of what is a hash already, or a small number.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Mixed(u64);

impl std::hash::Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    fn write_u128(&mut self, n: u128) {
        self.write_u64(n as u64 ^ (n >> 64) as u64);
    }
}

pub(crate) type Map<K, V> = std::collections::HashMap<K, V, std::hash::BuildHasherDefault<Mixed>>;
pub(crate) type Set<K> = std::collections::HashSet<K, std::hash::BuildHasherDefault<Mixed>>;

//! Pid: the integer that names one actor of one runtime, exact in a JavaScript number and never reused while in use.

use std::fmt;
use std::num::NonZeroU64;

/// Bits of a pid that hold the table index: 2^28 actors alive at once.
pub(crate) const INDEX_BITS: u32 = 28;
/// Bits of a pid that hold the slot's generation: a slot serves 2^24 actors and is then retired.
pub(crate) const GENERATION_BITS: u32 = 24;
/// Largest index a table may hand out.
pub(crate) const INDEX_MAX: u32 = (1 << INDEX_BITS) - 1;
/// Largest generation a slot may reach.
pub(crate) const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;
/// Set in a slot's generation while a proxy lives in it: bit 52 of its pid.
pub(crate) const PROXY: u32 = 1 << GENERATION_BITS;
/// Largest pid of an actor of the runtime itself. Proxies of actors of other nodes have bit 52 set besides, so all pids
/// stay below 2^53.
pub const PID_MAX: u64 = (1 << (INDEX_BITS + GENERATION_BITS)) - 1;

/// The identity of one actor: a positive integer below 2^53.
///
/// A pid is never given to a second actor: the slot an actor leaves behind gets a new generation, and a slot whose
/// generations are used up is retired. A send to the pid of an ended actor is refused.
///
/// ```
/// use iris_core::Pid;
/// let pid = Pid::from_u64(1 << 28 | 7).expect("a local pid");
/// assert_eq!(pid.get(), 1 << 28 | 7);
/// assert_eq!(Pid::from_u64(0), None);
/// assert_eq!(Pid::from_u64(1 << 53), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(NonZeroU64);

impl Pid {
    /// The pid with this number, or `None` where no actor can have it: zero, generation zero, or 2^53 and above.
    #[must_use]
    pub const fn from_u64(raw: u64) -> Option<Self> {
        if raw > PID_MAX << 1 | 1 || (raw & PID_MAX) >> INDEX_BITS == 0 {
            return None;
        }
        match NonZeroU64::new(raw) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// Whether it is a proxy: it stands for an actor of another node.
    ///
    /// ```
    /// use iris_core::Pid;
    /// let of_here = 1 << 28 | 7;
    /// assert!(!Pid::from_u64(of_here).expect("a pid").is_proxy());
    /// assert!(Pid::from_u64(1 << 52 | of_here).expect("a pid").is_proxy());
    /// ```
    #[must_use]
    pub const fn is_proxy(self) -> bool {
        self.0.get() > PID_MAX
    }

    pub(crate) fn new(index: u32, generation: u32) -> Self {
        let of_slot = generation & !PROXY;
        debug_assert!(index <= INDEX_MAX && of_slot != 0 && of_slot <= GENERATION_MAX);
        let raw = u64::from(generation) << INDEX_BITS | u64::from(index);
        Self(NonZeroU64::new(raw).expect("a generation is never zero"))
    }

    /// The actor that had the same slot in that generation.
    pub(crate) fn of_generation(self, generation: u32) -> Self {
        Self::new(self.index(), generation)
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to 28 bits")]
    pub(crate) const fn index(self) -> u32 {
        (self.0.get() & INDEX_MAX as u64) as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "a pid has 53 bits")]
    pub(crate) const fn generation(self) -> u32 {
        (self.0.get() >> INDEX_BITS) as u32
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({}.{})", self.generation(), self.index())
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

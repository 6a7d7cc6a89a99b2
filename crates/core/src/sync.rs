//! Sync: the atomics, locks and threads of core: the machine's in the product, a model checker's in the models.
//!
//! Under `cfg(loom)` single structures run through every interleaving; under `cfg(shuttle)` whole runtimes run through
//! thousands of random ones. A condition variable that waits for a time gives up at once in a model: what a model needs
//! to happen must not depend on time. What waits for a condition waits for ever there, so that a lost wake-up is found as a
//! deadlock.
//!
//! The locks are std's, or a checker's after its fashion, without poison. Each is a word of its own memory: whoever forks
//! finds the locks of others as they were, and new ones free. `parking_lot` keeps the threads that wait in one table of
//! the process, whose own locks the threads of a parent may hold for ever in its child.

pub use locks::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    thread, thread_local,
};

// No model of loom's runs a thread of core's own.
#[cfg(loom)]
pub(crate) use std::thread;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// loom's knows no `const`.
#[cfg(loom)]
macro_rules! loom_thread_local {
    ($(#[$meta:meta])* static $name:ident: $type:ty = const $first:block;) => {
        loom::thread_local! { $(#[$meta])* static $name: $type = $first; }
    };
}
#[cfg(loom)]
pub(crate) use loom_thread_local as thread_local;

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    thread_local,
};

#[cfg(shuttle)]
pub(crate) mod thread {
    //! The checker's threads, where time passes by letting others run.

    use std::io::Result;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(crate) use shuttle::thread::{Thread, current, yield_now};

    pub(crate) fn park_timeout(_: std::time::Duration) {
        yield_now();
    }

    pub(crate) struct Builder(shuttle::thread::Builder);

    impl Builder {
        pub(crate) fn new() -> Self {
            Self(shuttle::thread::Builder::new())
        }

        pub(crate) fn name(self, name: String) -> Self {
            Self(self.0.name(name))
        }

        pub(crate) fn spawn(self, life: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
            let finished = Arc::new(AtomicBool::new(false));
            let ended = Arc::clone(&finished);
            let thread = self.0.spawn(move || {
                life();
                ended.store(true, Ordering::Relaxed);
            })?;
            Ok(JoinHandle { thread, finished })
        }
    }

    /// The checker's has no `is_finished`.
    pub(crate) struct JoinHandle<T> {
        thread: shuttle::thread::JoinHandle<T>,
        finished: Arc<AtomicBool>,
    }

    impl<T> JoinHandle<T> {
        pub(crate) fn is_finished(&self) -> bool {
            self.finished.load(Ordering::Relaxed)
        }

        pub(crate) fn thread(&self) -> &Thread {
            self.thread.thread()
        }

        pub(crate) fn join(self) -> std::thread::Result<T> {
            self.thread.join()
        }
    }
}

mod locks {
    //! The locks: `lock` gives the guard, and a wait takes it by reference.

    #[cfg(loom)]
    use loom as system;
    #[cfg(shuttle)]
    use shuttle as system;
    #[cfg(not(any(loom, shuttle)))]
    use std as system;

    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    use system::sync::{RwLockReadGuard, RwLockWriteGuard};

    /// A lock around a value.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(system::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A lock that is free.
        #[cfg(not(loom))]
        pub const fn new(value: T) -> Self {
            Self(system::sync::Mutex::new(value))
        }

        /// A lock that is free.
        #[cfg(loom)]
        pub fn new(value: T) -> Self {
            Self(system::sync::Mutex::new(value))
        }

        /// Waits for the lock and takes it.
        #[inline]
        pub fn lock(&self) -> MutexGuard<'_, T> {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            #[cfg(not(any(loom, shuttle)))]
            return MutexGuard { held: Some(held) };
            #[cfg(any(loom, shuttle))]
            MutexGuard { held: Some(held), lock: &self.0 }
        }
    }

    /// The hold of a lock.
    #[derive(Debug)]
    pub struct MutexGuard<'a, T> {
        /// `None` while a wait has let go of the lock.
        held: Option<system::sync::MutexGuard<'a, T>>,
        #[cfg(any(loom, shuttle))]
        lock: &'a system::sync::Mutex<T>,
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            self.held.as_ref().expect("the lock is held between waits")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        #[inline]
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("the lock is held between waits")
        }
    }

    /// A lock that many may hold to read, or one to write.
    #[derive(Debug, Default)]
    pub struct RwLock<T>(system::sync::RwLock<T>);

    impl<T> RwLock<T> {
        /// A lock that is free.
        pub fn new(value: T) -> Self {
            Self(system::sync::RwLock::new(value))
        }

        /// Waits for the writer to be done.
        pub fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        /// Waits for everybody to be done.
        pub fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// How a wait for a time ended.
    #[derive(Clone, Copy, Debug)]
    pub struct Waited {
        timed_out: bool,
    }

    impl Waited {
        /// Whether the time was over; nobody woke the thread then.
        #[must_use]
        pub fn timed_out(self) -> bool {
            self.timed_out
        }
    }

    /// Where threads wait for news about what a lock guards.
    #[derive(Debug, Default)]
    pub struct Condvar(system::sync::Condvar);

    impl Condvar {
        /// A place where nobody waits.
        #[cfg(not(loom))]
        #[must_use]
        pub const fn new() -> Self {
            Self(system::sync::Condvar::new())
        }

        /// A place where nobody waits.
        #[cfg(loom)]
        pub fn new() -> Self {
            Self(system::sync::Condvar::new())
        }

        /// Waits for news, without the lock meanwhile.
        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.held.take().expect("the lock is held between waits");
            guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        /// Waits while it is so.
        pub fn wait_while<T>(&self, guard: &mut MutexGuard<'_, T>, mut is_so: impl FnMut(&mut T) -> bool) {
            while is_so(guard) {
                self.wait(guard);
            }
        }

        /// Waits while it is so, at most for a time.
        pub fn wait_while_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            is_so: impl FnMut(&mut T) -> bool,
            time: Duration,
        ) {
            match Instant::now().checked_add(time) {
                Some(deadline) => self.wait_while_until(guard, is_so, deadline),
                None => self.wait_while(guard, is_so),
            }
        }

        /// Waits while it is so, at most until the deadline.
        pub fn wait_while_until<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            mut is_so: impl FnMut(&mut T) -> bool,
            deadline: Instant,
        ) {
            if cfg!(any(loom, shuttle)) {
                return self.wait_while(guard, is_so);
            }
            while is_so(guard) && !self.wait_until(guard, deadline).timed_out() {}
        }

        /// Waits for news, at most until the deadline.
        pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) -> Waited {
            self.wait_for(guard, deadline.saturating_duration_since(Instant::now()))
        }

        /// Waits for news, at most for a time.
        #[cfg(not(any(loom, shuttle)))]
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, time: Duration) -> Waited {
            let held = guard.held.take().expect("the lock is held between waits");
            let (held, waited) = self.0.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner);
            guard.held = Some(held);
            Waited { timed_out: waited.timed_out() }
        }

        /// Lets others run, and gives up.
        #[cfg(any(loom, shuttle))]
        #[expect(clippy::unused_self, reason = "the signature of the other")]
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> Waited {
            guard.held = None;
            system::thread::yield_now();
            guard.held = Some(guard.lock.lock().unwrap_or_else(PoisonError::into_inner));
            Waited { timed_out: true }
        }

        /// Wakes one thread that waits.
        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Wakes all threads that wait.
        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

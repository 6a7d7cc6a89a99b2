//! Sync: the atomics, locks and threads of core: the machine's in the product, a model checker's in the models.
//!
//! Under `cfg(loom)` single structures run through every interleaving; under `cfg(shuttle)` whole runtimes run through
//! thousands of random ones. Both bring locks after std's fashion, which stand here behind `parking_lot`'s signatures. A
//! condition variable that waits for a time gives up at once in a model: what a model needs to happen must not depend
//! on time. What waits for a condition waits for ever there, so that a lost wake-up is found as a deadlock.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    thread, thread_local,
};

#[cfg(any(loom, shuttle))]
pub(crate) use modelled::{Condvar, Mutex, MutexGuard, RwLock};

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
    (static $name:ident: $type:ty = const $first:block;) => {
        loom::thread_local! { static $name: $type = $first; }
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

#[cfg(any(loom, shuttle))]
mod modelled {
    //! A checker's locks behind parking_lot's signatures.

    #[cfg(loom)]
    use loom as checker;
    #[cfg(shuttle)]
    use shuttle as checker;

    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    use checker::sync::{RwLockReadGuard, RwLockWriteGuard};

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(checker::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard { lock: &self.0, held: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)) }
        }
    }

    pub(crate) struct MutexGuard<'a, T> {
        lock: &'a checker::sync::Mutex<T>,
        /// `None` while a wait has let go of the lock.
        held: Option<checker::sync::MutexGuard<'a, T>>,
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.held.as_ref().expect("the lock is held between waits")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("the lock is held between waits")
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(checker::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(checker::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// The outcome of a wait for a time, which in a model is over at once.
    pub(crate) struct TimedOut;

    impl TimedOut {
        #[expect(clippy::unused_self, reason = "parking_lot's signature")]
        pub(crate) fn timed_out(&self) -> bool {
            true
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(checker::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(checker::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.held.take().expect("the lock is held between waits");
            guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        pub(crate) fn wait_while<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            mut is_so: impl FnMut(&mut T) -> bool,
        ) {
            while is_so(guard) {
                self.wait(guard);
            }
        }

        pub(crate) fn wait_while_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            is_so: impl FnMut(&mut T) -> bool,
            _: Duration,
        ) {
            self.wait_while(guard, is_so);
        }

        pub(crate) fn wait_while_until<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            is_so: impl FnMut(&mut T) -> bool,
            _: Instant,
        ) {
            self.wait_while(guard, is_so);
        }

        #[expect(clippy::unused_self, reason = "parking_lot's signature")]
        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> TimedOut {
            guard.held = None;
            checker::thread::yield_now();
            guard.held = Some(guard.lock.lock().unwrap_or_else(PoisonError::into_inner));
            TimedOut
        }

        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> TimedOut {
            self.wait_for(guard, Duration::ZERO)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

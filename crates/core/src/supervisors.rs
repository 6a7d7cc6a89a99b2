//! Supervisors of one runtime: its own, those of paths, and those that users make.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;

use crate::backoff::Backoff;
use crate::cell::flag;
use crate::child::{Factory, Source};
use crate::details::Signal;
use crate::ending;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::{ExitReason, Failure};
use crate::lane::LaneId;
use crate::options::{ChildSpec, SpawnOptions, SupervisorOptions};
use crate::paths;
use crate::pid::Pid;
use crate::quietly::quietly;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::strategy::{Restart, Strategy};
use crate::supervisor::{Supervising, Supervisor};
use crate::sync::Mutex;

/// Restarts the runtime's own supervisor allows a child's factory within [`ROOT_PERIOD`] before it lets the child go:
/// far more than a service that heals needs, few enough that one that cannot start does not spin for ever.
const ROOT_INTENSITY: u32 = 100;
const ROOT_PERIOD: Duration = Duration::from_secs(5);

impl Default for SupervisorOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            intensity: 3,
            period: Duration::from_secs(5),
            backoff: Backoff::default(),
            supervisor: None,
        }
    }
}

/// The supervisors of a runtime by pid, and the places the front finds them.
#[derive(Default)]
pub(crate) struct Supervisors {
    by_pid: DashMap<Pid, Arc<Supervisor>>,
    places: Mutex<Places>,
    /// Which supervisor an actor is a child of: the one that restarts it in place, or the last that lists it.
    of: DashMap<Pid, Pid>,
    on_give_up: OnceLock<OnGiveUp>,
}

/// Called with the supervisor and what it has to say when it gives up.
pub type OnGiveUp = Box<dyn Fn(Pid, &Failure) + Send + Sync>;

#[derive(Default)]
struct Places {
    root: Option<Pid>,
    paths: BTreeMap<String, Pid>,
}

impl Supervisors {
    fn get(&self, supervisor: Pid) -> Result<Arc<Supervisor>> {
        self.by_pid.get(&supervisor).map(|found| Arc::clone(&found)).ok_or_else(|| {
            Error::new(ErrorKind::NoSupervisor, format!("pid {supervisor} is not a live supervisor"))
        })
    }

    pub(crate) fn is_supervisor(&self, pid: Pid) -> bool {
        self.by_pid.contains_key(&pid)
    }

    /// Sets whom to tell that a supervisor gives up; false: somebody is told already.
    pub(crate) fn set_on_give_up(&self, on_give_up: OnGiveUp) -> bool {
        self.on_give_up.set(on_give_up).is_ok()
    }

    pub(crate) fn tell_give_up(&self, supervisor: Pid, failure: &Failure) {
        if let Some(on_give_up) = self.on_give_up.get() {
            quietly("on_give_up", || on_give_up(supervisor, failure));
        }
    }

    /// Supervisors that the runtime keeps for itself.
    pub(crate) fn internal(&self) -> Vec<Pid> {
        let places = self.places.lock();
        places.root.into_iter().chain(places.paths.values().copied()).collect()
    }

    pub(crate) fn supervisor_of(&self, pid: Pid) -> Option<Pid> {
        self.of.get(&pid).map(|supervisor| *supervisor)
    }

    /// Puts what a factory made in the place of the child it was made for; false: it cannot be.
    pub(crate) fn take_over(&self, shared: &Arc<Shared>, supervisor: Pid, child: u64, pid: Pid) -> bool {
        self.get(supervisor).is_ok_and(|found| found.take_over(shared, child, pid))
    }

    /// Puts a new actor under the supervisor that restarts it in place.
    pub(crate) fn add_in_place(&self, shared: &Arc<Shared>, spec: ChildSpec, pid: Pid) -> Result<()> {
        let supervisor = self.get(spec.supervisor)?;
        let (source, strategy) = (Source::InPlace, supervisor.strategy());
        supervisor.add(shared.next_id(), pid, source, strategy, spec.restart)?;
        self.of.insert(pid, spec.supervisor);
        forget_on_exit(shared, pid);
        let cell = shared.table.get(pid);
        let told = cell.and_then(|cell| cell.with_details(pid, |details| details.restarted_by = Some(spec)));
        if told.is_none() {
            supervisor.remove(pid);
            return Err(Error::no_process(pid));
        }
        Ok(())
    }

    fn add(
        &self,
        shared: &Arc<Shared>,
        supervisor: Pid,
        pid: Pid,
        source: Source,
        strategy: Strategy,
        restart: Restart,
    ) -> Result<()> {
        let found = self.get(supervisor)?;
        let cell = shared.cell(pid)?;
        if supervisor == pid {
            return Err(Error::invalid(format!("supervisor {pid} cannot supervise itself")));
        }
        if found.add(shared.next_id(), pid, source, strategy, restart)? {
            let is_restarted = cell.look_at_details(pid, |details| details.restarted_by.is_some());
            if is_restarted != Some(true) {
                self.of.insert(pid, supervisor);
                forget_on_exit(shared, pid);
            }
            found.hook(shared, pid);
        }
        Ok(())
    }
}

fn forget_on_exit(shared: &Arc<Shared>, pid: Pid) {
    let weak = shared.weak();
    Runtime::inner(Arc::clone(shared)).on_exit(
        pid,
        Box::new(move |pid, _| {
            if let Some(shared) = weak.upgrade() {
                shared.supervisors.of.remove(&pid);
            }
        }),
    );
}

impl Runtime {
    /// The runtime's own supervisor, made at first need. It never gives up itself.
    ///
    /// # Errors
    /// `RuntimeClosed`, `LimitReached`.
    pub fn root_supervisor(&self) -> Result<Pid> {
        let mut places = self.shared().supervisors.places.lock();
        if let Some(root) = places.root.filter(|root| self.is_alive(*root)) {
            return Ok(root);
        }
        let root = self.start_supervisor(enduring(), true)?;
        places.root = Some(root);
        Ok(root)
    }

    /// Spawns a supervisor. Its children are added with [`SpawnOptions::supervisor`] (restarted in place) or
    /// [`Runtime::supervise_with_factory`] (made anew). It ends, with its children, when they need more restarts than
    /// its intensity allows.
    ///
    /// # Errors
    /// `RuntimeClosed`, `LimitReached`, `NoSupervisor`, `InvalidArgument` for a period of 0.
    pub fn spawn_supervisor(&self, options: SupervisorOptions) -> Result<Pid> {
        if options.period.is_zero() {
            return Err(Error::invalid("a supervisor's period must be longer than 0"));
        }
        self.start_supervisor(options, false)
    }

    fn start_supervisor(&self, options: SupervisorOptions, endures: bool) -> Result<Pid> {
        let spec = options.supervisor;
        if let Some(spec) = spec {
            self.shared().supervisors.get(spec.supervisor)?;
        }
        let supervisor = Arc::new(Supervisor::new(self.shared().weak(), options, endures));
        let spawn = SpawnOptions { lane: LaneId::WORKERS, supervisor: spec, ..SpawnOptions::default() };
        let behaviour = Arc::new(Supervising(Arc::clone(&supervisor)));
        self.shared().check_open()?;
        let pid = self.spawn_flagged(behaviour, spawn, if endures { flag::INTERNAL } else { 0 })?;
        supervisor.set_pid(pid);
        self.shared().supervisors.by_pid.insert(pid, supervisor);
        let weak = self.shared().weak();
        let hook = move |pid: Pid, _: &ExitReason| {
            if let Some(shared) = weak.upgrade()
                && let Some((_, supervisor)) = shared.supervisors.by_pid.remove(&pid)
            {
                supervisor.let_go();
            }
        };
        self.on_exit(pid, Box::new(hook));
        Ok(pid)
    }

    /// Lists an actor as a child of the supervisor until it exits. It is not restarted, but with a strategy for all its
    /// failure restarts the siblings that have a factory. A child that the supervisor restarts in place is listed already, and
    /// stays as it is.
    ///
    /// # Errors
    /// `NoProcess`, `NoSupervisor`; `InvalidArgument` for the supervisor itself.
    pub fn watch(&self, supervisor: Pid, pid: Pid, strategy: Strategy) -> Result<()> {
        let supervisors = &self.shared().supervisors;
        supervisors.add(self.shared(), supervisor, pid, Source::Watched, strategy, Restart::Temporary)
    }

    /// Replaces an actor by what the factory makes whenever it exits for another reason than Normal. The factory is
    /// not called before; one that fails is called again after a pause, within the supervisor's intensity.
    ///
    /// # Errors
    /// `NoProcess`, `NoSupervisor`; `InvalidArgument` for the supervisor itself and for a child that it restarts in place.
    pub fn supervise_with_factory(
        &self,
        supervisor: Pid,
        pid: Pid,
        factory: Arc<dyn Factory>,
        strategy: Strategy,
    ) -> Result<()> {
        let supervisors = &self.shared().supervisors;
        supervisors.add(
            self.shared(),
            supervisor,
            pid,
            Source::Factory(factory),
            strategy,
            Restart::Transient,
        )
    }

    /// Takes an actor from its supervisor, and from each other that lists it: its exit is final. False: it had none.
    pub fn unsupervise(&self, pid: Pid) -> bool {
        // What a factory made is known to its supervisor alone.
        let by_pid = self.shared().supervisors.by_pid.iter();
        let all: Vec<_> = by_pid.map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect();
        all.iter().filter(|(number, supervisor)| self.take_from(*number, supervisor, pid)).count() > 0
    }

    /// Takes an actor from this supervisor; false: it was not its child.
    fn take_from(&self, number: Pid, supervisor: &Supervisor, pid: Pid) -> bool {
        if !supervisor.remove(pid) {
            return false;
        }
        self.shared().supervisors.of.remove_if(&pid, |_, of| *of == number);
        let Some(cell) = self.shared().table.get(pid) else { return true };
        let ties = cell.look_at_details(pid, |details| {
            details.restarted_by.take_if(|spec| spec.supervisor == number)?;
            let place = details.parent.take_if(|(parent, _)| *parent == number);
            Some((place, std::mem::take(&mut details.awaits_restart)))
        });
        let Some((place, awaits_restart)) = ties.flatten() else { return true };
        if let Some((parent, order)) = place {
            ending::forget_child(self.shared(), parent, order);
        }
        if awaits_restart {
            // The supervisor hears nothing of it any more.
            self.shared().signal(pid, Signal::Restart);
        }
        true
    }

    /// The supervisor's children, in the order they were added.
    ///
    /// # Errors
    /// `NoSupervisor`.
    pub fn child_pids(&self, supervisor: Pid) -> Result<Vec<Pid>> {
        Ok(self.shared().supervisors.get(supervisor)?.child_pids())
    }

    // Supervisors of paths

    /// Makes a supervisor of its own for a path. True: it was made; false: the path had one.
    ///
    /// # Errors
    /// `InvalidArgument` for a path that is not well formed; as [`Runtime::spawn_supervisor`].
    pub fn create_path_supervisor(&self, path: &str) -> Result<bool> {
        let path = paths::normalised(path)?;
        let mut places = self.shared().supervisors.places.lock();
        if places.paths.contains_key(&path) {
            return Ok(false);
        }
        let supervisor = self.start_supervisor(enduring(), true)?;
        places.paths.insert(path, supervisor);
        Ok(true)
    }

    /// Ends a path's supervisor; the actors it supervised live on. False: the path had none.
    pub fn remove_path_supervisor(&self, path: &str) -> bool {
        let Ok(path) = paths::normalised(path) else { return false };
        let removed = self.shared().supervisors.places.lock().paths.remove(&path);
        removed.is_some_and(|supervisor| {
            if let Ok(found) = self.shared().supervisors.get(supervisor) {
                for child in found.child_pids() {
                    self.take_from(supervisor, &found, child);
                }
            }
            self.stop(supervisor)
        })
    }

    /// The supervisor of a path.
    ///
    /// # Errors
    /// `NoSupervisor` that names [`Runtime::create_path_supervisor`]; `InvalidArgument`.
    pub fn path_supervisor(&self, path: &str) -> Result<Pid> {
        let path = paths::normalised(path)?;
        self.shared().supervisors.places.lock().paths.get(&path).copied().ok_or_else(|| {
            let message =
                format!("path {path} has no supervisor: make one with create_path_supervisor first");
            Error::new(ErrorKind::NoSupervisor, message)
        })
    }
}

fn enduring() -> SupervisorOptions {
    SupervisorOptions { intensity: ROOT_INTENSITY, period: ROOT_PERIOD, ..SupervisorOptions::default() }
}

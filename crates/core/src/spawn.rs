//! Spawn: how actors come to be, and get their place.

use std::sync::Arc;

use crate::behaviour::Behaviour;
use crate::bounded::Bounded;
use crate::cell::{Cell, flag};
use crate::details::{Details, Waiter};
use crate::ending;
use crate::error::{Error, Result};
use crate::lane::LaneId;
use crate::options::SpawnOptions;
use crate::pid::Pid;
use crate::pull::PullMailbox;
use crate::remote::Remote;
use crate::runtime::Runtime;

impl Runtime {
    /// Spawns a push actor: its behaviour is called once per message. Returns at once; nothing runs before the first
    /// message.
    ///
    /// # Errors
    /// `InvalidArgument`, `NameTaken`, `NoProcess` (parent), `NoSupervisor`, `LimitReached`, `RuntimeClosed`.
    pub fn spawn(&self, behaviour: impl Behaviour, options: SpawnOptions) -> Result<Pid> {
        self.spawn_shared(Arc::new(behaviour), options)
    }

    /// As [`Runtime::spawn`], with a behaviour that many actors share.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_shared(&self, behaviour: Arc<dyn Behaviour>, options: SpawnOptions) -> Result<Pid> {
        self.shared().check_open()?;
        options.check()?;
        self.spawn_flagged(behaviour, options, 0)
    }

    pub(crate) fn spawn_flagged(
        &self,
        behaviour: Arc<dyn Behaviour>,
        options: SpawnOptions,
        flags: u16,
    ) -> Result<Pid> {
        let lane = behaviour.lane().unwrap_or(options.lane);
        if lane == LaneId::WORKERS {
            self.shared().workers.start(self.shared())?;
        }
        let mut flags = flags | if behaviour.wants_system() { flag::SYSTEM } else { 0 };
        let details = details_of(&options, &mut flags);
        let (cell, pid) = self.occupy(lane, flags, options.budget, details)?;
        drop(cell.replace_behaviour(Some(behaviour)));
        cell.word.open(false);
        self.settle(pid, options)
    }

    /// Spawns a pull actor: whoever holds the mailbox is the actor.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_pull(&self, options: SpawnOptions, waiter: Arc<dyn Waiter>) -> Result<PullMailbox> {
        self.shared().check_open()?;
        options.check()?;
        let mut flags = flag::PULL;
        let mut details = details_of(&options, &mut flags).unwrap_or_default();
        details.waiter = Some(waiter);
        let (cell, pid) = self.occupy(LaneId::PULL, flags, options.budget, Some(details))?;
        cell.word.open(true);
        let mailbox = PullMailbox::new(Arc::clone(self.shared()), cell, pid);
        self.settle(pid, options)?;
        Ok(mailbox)
    }

    /// Spawns an observed actor: it keeps what it gets until somebody reads it.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_observed(&self, options: SpawnOptions) -> Result<Pid> {
        self.shared().check_open()?;
        options.check()?;
        if options.bounds.is_some() || options.idle_timeout.is_some() {
            return Err(Error::invalid("an observed actor has neither bounds nor an idle time-out"));
        }
        let mut flags = flag::OBSERVED | flag::SUSPENDED;
        let details = details_of(&options, &mut flags);
        let (cell, pid) = self.occupy(LaneId::WORKERS, flags, options.budget, details)?;
        cell.word.open_waiting();
        self.settle(pid, options)
    }

    /// Makes the proxy of an actor of another node.
    pub(crate) fn spawn_proxy(&self, remote: Remote) -> Result<Pid> {
        self.shared().check_open()?;
        let (cell, pid) = self.shared().table.occupy_by_proxy()?;
        let details = Details { remote: Some(remote), ..Details::default() };
        let flags = flag::REMOTE | flag::INTERNAL | flag::SUSPENDED;
        cell.furnish(LaneId::WORKERS, flags, 1, Some(Box::new(details)));
        cell.word.open_waiting();
        Ok(pid)
    }

    fn occupy(
        &self,
        lane: LaneId,
        flags: u16,
        budget: u32,
        details: Option<Box<Details>>,
    ) -> Result<(&Cell, Pid)> {
        let (cell, pid) = self.shared().table.occupy()?;
        cell.furnish(lane, flags, budget, details);
        if flags & flag::INTERNAL == 0 {
            self.shared().counters.hold_live();
        }
        Ok((cell, pid))
    }

    /// Gives a new actor its place: parent or supervisor, name, path. What fails ends it again.
    fn settle(&self, pid: Pid, options: SpawnOptions) -> Result<Pid> {
        let SpawnOptions { parent, supervisor, name, path, .. } = options;
        if self.is_closed() {
            // Closed since it was asked: whoever closes may have passed this actor by.
            self.stop(pid);
            self.shared().check_open()?;
        }
        if parent.is_none() && supervisor.is_none() && name.is_none() && path.is_none() {
            return Ok(pid);
        }
        let settled = (|| {
            if let Some(parent) = parent {
                self.adopt(parent, pid)?;
            }
            if let Some(spec) = supervisor {
                self.adopt(spec.supervisor, pid)?;
                self.shared().supervisors.add_in_place(self.shared(), spec, pid)?;
            }
            // Who finds it by its name may make it fail: it is supervised by then.
            if let Some(name) = &name {
                self.register(name, pid)?;
            }
            if let Some(path) = &path {
                self.register_path(path, pid)?;
            }
            Ok(pid)
        })();
        if settled.is_err() {
            if supervisor.is_some() {
                self.unsupervise(pid);
            }
            self.stop(pid);
        }
        settled
    }

    /// Makes `child` end with `parent`. The parent knows first: a child that ends meanwhile is told by nobody else.
    fn adopt(&self, parent: Pid, child: Pid) -> Result<()> {
        let shared = self.shared();
        let order = shared.next_id();
        let child_cell = shared.cell(child)?;
        let adopted = shared.cell(parent)?.with_details(parent, |details| {
            let alive = details.ending.is_none();
            if alive {
                details.children.insert(order, child);
            }
            alive
        });
        if adopted != Some(true) {
            return Err(Error::no_process(parent));
        }
        let told = child_cell.with_details(child, |details| details.parent = Some((parent, order)));
        if told.is_none() {
            ending::forget_child(shared, parent, order);
            return Err(Error::no_process(child));
        }
        Ok(())
    }
}

/// The details an actor needs from its first moment, and the flags that go with them.
fn details_of(options: &SpawnOptions, flags: &mut u16) -> Option<Box<Details>> {
    if options.bounds.is_none() && options.idle_timeout.is_none() {
        return None;
    }
    let mut details = Box::<Details>::default();
    if let Some(bounds) = options.bounds {
        *flags |= flag::BOUNDED;
        details.bounded = Some(Box::new(Bounded::new(bounds, options.overflow)));
    }
    if let Some(timeout) = options.idle_timeout {
        *flags |= flag::VIRTUAL;
        details.idle_timeout = Some(timeout);
    }
    Some(details)
}

//! Shared: what all parts of one runtime have in common, and the paths a message and a signal take through it.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;

use crate::bounded;
use crate::cell::{Cell, flag};
use crate::counters::Counters;
use crate::depth::Depth;
use crate::details::{Details, Signal};
use crate::directory::directory;
use crate::ending;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::ExitReason;
use crate::lane::{HostedLane, LANES_MAX, LaneHost, LaneId};
use crate::lanes::Lanes;
use crate::log::RuntimeLog;
use crate::mailbox::{Push, Signalled};
use crate::message::{Incoming, Message, SystemMessage};
use crate::names::Names;
use crate::node::Node;
use crate::options::RuntimeOptions;
use crate::paths::Paths;
use crate::payload::Payload;
use crate::peers::Peers;
use crate::pid::{GENERATION_MAX, Pid};
use crate::remote::{self, Attached};
use crate::send::{Refusal, SendError};
use crate::supervisors::Supervisors;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Mutex, Ordering};
use crate::table::Table;
use crate::timing::Timing;
use crate::workers::Workers;

/// One runtime's parts.
pub(crate) struct Shared {
    pub(crate) options: RuntimeOptions,
    pub(crate) table: Table<Cell>,
    pub(crate) workers: Workers,
    lanes: Box<[AtomicPtr<HostedLane>]>,
    lanes_kept: Mutex<Lanes>,
    pub(crate) names: Names,
    pub(crate) paths: Paths,
    pub(crate) timing: Timing,
    pub(crate) counters: Counters,
    /// Monitor id to (target, watcher).
    pub(crate) monitors: DashMap<u64, (Pid, Pid)>,
    pub(crate) supervisors: Supervisors,
    ids: AtomicU64,
    /// Who is told of dead letters; 0: nobody.
    pub(crate) dead_letter_listener: AtomicU64,
    /// Nothing is spawned any more.
    pub(crate) closed: AtomicBool,
    /// The shutdown has begun.
    pub(crate) ended: AtomicBool,
    /// When the shutdown that is under way, or one to come, waits no longer.
    pub(crate) ends_by: Mutex<Option<Instant>>,
    /// What connects this runtime with others, once something does.
    pub(crate) attached: OnceLock<Arc<dyn Attached>>,
    pub(crate) peers: Peers,
    pub(crate) log: Arc<RuntimeLog>,
    this: OnceLock<WeakShared>,
}

/// A handle that does not keep the runtime's parts.
#[derive(Clone)]
pub(crate) struct WeakShared(Weak<Shared>);

impl std::fmt::Debug for WeakShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakShared")
    }
}

impl WeakShared {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    pub(crate) fn upgrade(&self) -> Option<Arc<Shared>> {
        self.0.upgrade()
    }
}

impl Shared {
    pub(crate) fn new(options: RuntimeOptions) -> Arc<Self> {
        // Two runtimes of one process begin with different generations, so that a pid of one is no pid of the other.
        static RUNTIMES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = RUNTIMES.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let first_generation = u32::try_from(number).unwrap_or(0) % GENERATION_MAX + 1;
        let shared = Arc::new(Self {
            table: Table::new(first_generation, options.actors_max),
            workers: Workers::new(options.workers),
            lanes: directory(LANES_MAX),
            lanes_kept: Mutex::default(),
            names: Names::default(),
            paths: Paths::default(),
            timing: Timing::new(options.clock.clone()),
            counters: Counters::default(),
            monitors: DashMap::new(),
            supervisors: Supervisors::default(),
            ids: AtomicU64::new(1),
            dead_letter_listener: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            ends_by: Mutex::default(),
            attached: OnceLock::new(),
            peers: Peers::default(),
            log: Arc::default(),
            this: OnceLock::new(),
            options,
        });
        let _ = shared.this.set(WeakShared::new(&shared));
        shared
    }

    /// The handle that others keep of this runtime.
    pub(crate) fn weak(&self) -> WeakShared {
        self.this.get().cloned().unwrap_or(WeakShared(Weak::new()))
    }

    /// A number never given before in this runtime.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::RuntimeClosed, "the runtime is closed"));
        }
        Ok(())
    }

    /// The cell of an actor that is alive, or the error that says there is none.
    pub(crate) fn cell(&self, pid: Pid) -> Result<&Cell> {
        let live = self.table.get(pid).filter(|cell| cell.word.is_open());
        live.ok_or_else(|| Error::no_process(pid))
    }

    // Messages

    #[inline]
    pub(crate) fn try_send(&self, pid: Pid, payload: Payload) -> Result<(), SendError> {
        self.deliver(pid, Message::new(payload))
            .map_err(|(refusal, message)| SendError { refusal, payload: message.into_payload() })
    }

    #[inline]
    pub(crate) fn deliver(&self, pid: Pid, message: Message) -> Result<(), (Refusal, Message)> {
        match self.table.get(pid) {
            Some(cell) => self.deliver_to(cell, pid, message),
            None => Err(self.refuse(pid, Refusal::NoProcess, message)),
        }
    }

    /// Delivers to the cell of this pid, looked up before.
    #[inline]
    pub(crate) fn deliver_to(
        &self,
        cell: &Cell,
        pid: Pid,
        message: Message,
    ) -> Result<(), (Refusal, Message)> {
        if cell.has(flag::BOUNDED | flag::VIRTUAL | flag::REMOTE) {
            return self.deliver_specially(pid, message);
        }
        self.push(cell, pid, message)
    }

    #[inline]
    pub(crate) fn push(&self, cell: &Cell, pid: Pid, message: Message) -> Result<(), (Refusal, Message)> {
        match cell.word.push(Node::new(pid.generation(), message)) {
            Push::Queued => {
                cell.enqueued.fetch_add(1, Ordering::Release);
                if cell.has(flag::OBSERVED) {
                    ending::wake_waiter(cell, pid);
                }
            }
            Push::Schedule => {
                cell.enqueued.fetch_add(1, Ordering::Release);
                self.schedule(cell);
            }
            Push::Wake => {
                cell.enqueued.fetch_add(1, Ordering::Release);
                ending::wake_holder(cell);
            }
            Push::Refused(node) => {
                let Incoming::User(message) = node.into_incoming() else { return Ok(()) };
                return Err(self.refuse(pid, Refusal::NoProcess, message));
            }
        }
        Ok(())
    }

    // Signals

    /// Sends a signal; false: there is no such actor.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> bool {
        let Some(cell) = self.table.get(pid) else { return false };
        self.signal_with(cell, pid, false, |details| details.signals.push_back(signal)).is_some()
    }

    /// Changes an actor's details and sees to it that its owner looks at its signals; with `close`, messages are
    /// refused from then on. `None`: the pid is stale.
    ///
    /// The word is signalled under the lock that a pid becomes stale under, so it is never a later actor's; and the
    /// lane is read there, so that an actor on its way to another lane is scheduled once and on the right one.
    pub(crate) fn signal_with<R>(
        &self,
        cell: &Cell,
        pid: Pid,
        close: bool,
        change: impl FnOnce(&mut Details) -> R,
    ) -> Option<R> {
        let (changed, signalled, lane) = cell.with_details(pid, |details| {
            let changed = change(details);
            (changed, cell.word.signal(close), cell.lane())
        })?;
        match self.hosted_lane(lane) {
            Some(lane) => lane.interrupt(),
            None => self.workers.interrupt(),
        }
        if signalled == Signalled::Schedule {
            self.schedule_on(lane, cell, pid);
        }
        if close {
            bounded::announce(cell, pid);
        }
        Some(changed)
    }

    /// Tells an actor a notice of the runtime, if it is of a kind that hears them.
    pub(crate) fn tell(&self, pid: Pid, message: SystemMessage) {
        let Some(cell) = self.table.get(pid) else { return };
        if cell.has(flag::OBSERVED) {
            let node = Node::whole(pid.generation(), Incoming::System(Box::new(message)));
            match cell.word.push(node) {
                // The slot went to another actor meanwhile: its owner drops the stranger's notice.
                Push::Schedule => self.schedule(cell),
                Push::Wake => ending::wake_holder(cell),
                Push::Queued | Push::Refused(_) => {}
            }
            ending::wake_waiter(cell, pid);
        } else if cell.has(flag::PULL | flag::SYSTEM) {
            self.signal(pid, Signal::System(Box::new(message)));
        }
    }

    /// Ends an actor: at once where nobody runs it, else by a signal that goes before every message. An actor of another
    /// node is told there, and its proxy ends when the node says so.
    pub(crate) fn stop(self: &Arc<Self>, pid: Pid, reason: ExitReason) -> bool {
        match self.table.get(pid).filter(|cell| cell.has(flag::REMOTE)) {
            Some(cell) => remote::of(cell, pid).map(|remote| remote.peer.stop(remote.pid)).is_some(),
            None => self.end(pid, reason),
        }
    }

    /// As [`Shared::stop`], for what lives here: the proxy itself, not whom it stands for.
    pub(crate) fn end(self: &Arc<Self>, pid: Pid, reason: ExitReason) -> bool {
        let Some(cell) = self.table.get(pid) else { return false };
        let _depth = Depth::enter();
        let may_claim = !cell.has(flag::PULL) && Depth::is_shallow();
        if may_claim && (cell.word.try_claim() || cell.word.try_claim_waiting()) {
            if cell.current_generation() != pid.generation() {
                // Claimed a later actor of the same slot: let it go on.
                self.schedule(cell);
                return false;
            }
            if !cell.has(flag::ENDING) {
                if ending::end(self, cell, pid, reason) {
                    return true;
                }
            } else if cell.word.try_wait() {
                return true;
            }
            self.schedule(cell);
            return true;
        }
        let signal = if reason == ExitReason::Killed { Signal::Stop } else { Signal::Exit(reason) };
        self.signal_with(cell, pid, true, |details| details.signals.push_back(signal)).is_some()
    }

    /// Ends an actor with Normal if it is idle now; false: it is not.
    pub(crate) fn retire(self: &Arc<Self>, cell: &Cell, pid: Pid) -> bool {
        if cell.has(flag::PULL) {
            // Its holder is its owner and ends it.
            return cell.word.is_idle() && self.stop(pid, ExitReason::Normal);
        }
        if !cell.word.try_claim() {
            return false;
        }
        let idle = cell.with_details(pid, |details| {
            details.signals.is_empty() && details.bounded.as_ref().is_none_or(|bounded| bounded.is_empty())
        });
        let ended = idle == Some(true) && ending::end(self, cell, pid, ExitReason::Normal);
        if !ended {
            self.schedule(cell);
        }
        ended
    }

    // Lanes

    /// Puts an actor that just became active on its lane.
    pub(crate) fn schedule(&self, cell: &Cell) {
        self.schedule_on(cell.lane(), cell, cell.pid());
    }

    pub(crate) fn schedule_on(&self, lane: LaneId, cell: &Cell, pid: Pid) {
        if lane == LaneId::WORKERS {
            self.push_to_workers(cell);
        } else if lane == LaneId::PULL {
            ending::wake_waiter(cell, pid);
        } else if let Some(hosted) = self.hosted_lane(lane) {
            hosted.push(self, cell);
        }
    }

    fn push_to_workers(&self, cell: &Cell) {
        if self.workers.is_running() {
            return self.workers.push(cell);
        }
        let Some(shared) = self.this.get().and_then(WeakShared::upgrade) else { return };
        if self.workers.is_closing() {
            // After a shutdown: what was left behind ends on the thread that lets it go.
            return Workers::run_here(shared, cell);
        }
        if let Err(error) = shared.workers.start(&shared) {
            tracing::error!(%error, "an actor is ready and nobody can run it");
        }
        self.workers.push(cell);
    }

    /// As [`Shared::schedule`], behind every other actor of the lane: for one that used up its turn.
    pub(crate) fn schedule_last(&self, cell: &Cell) {
        if cell.lane() == LaneId::WORKERS { self.workers.push_last(cell) } else { self.schedule(cell) }
    }

    pub(crate) fn hosted_lane(&self, id: LaneId) -> Option<&HostedLane> {
        let lane = self.lanes.get(usize::from(id.get()))?.load(Ordering::Acquire);
        // SAFETY: lanes are kept in `lanes_kept` until the runtime's parts go.
        unsafe { lane.as_ref() }
    }

    pub(crate) fn add_lane(&self, host: Arc<dyn LaneHost>) -> Result<Arc<HostedLane>> {
        let mut kept = self.lanes_kept.lock();
        if let Some(lane) = kept.unused() {
            lane.begin_again(host);
            return Ok(lane);
        }
        let number = kept.len() + 1;
        let id = u16::try_from(number).ok().filter(|_| number < LANES_MAX).ok_or_else(|| {
            Error::new(ErrorKind::LimitReached, format!("a runtime has at most {LANES_MAX} lanes"))
        })?;
        let lane = Arc::new(HostedLane::new(LaneId::new(id), self.weak(), host));
        self.lanes[number].store(Arc::as_ptr(&lane).cast_mut(), Ordering::Release);
        kept.push(Arc::clone(&lane));
        Ok(lane)
    }

    pub(crate) fn kept_lane(&self, id: LaneId) -> Option<Arc<HostedLane>> {
        self.lanes_kept.lock().get(usize::from(id.get()).checked_sub(1)?).cloned()
    }

    /// Runs what is ready on all hosted lanes, on this thread; for a runtime whose actors were all told to stop.
    pub(crate) fn drain_lanes(&self) {
        let lanes = self.lanes_kept.lock().all();
        for lane in lanes {
            while lane.drain_one() {}
        }
    }

    pub(crate) fn wait_for_room(&self, pid: Pid, timeout: Duration) -> bool {
        let Some(cell) = self.table.get(pid) else { return true };
        match remote::of(cell, pid) {
            Some(remote) => remote.peer.wait_for_room(timeout),
            None => bounded::wait_for_room(cell, pid, timeout),
        }
    }
}

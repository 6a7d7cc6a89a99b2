//! Relations: names, paths, links and monitors of actors.

use crate::cell::{Cell, flag};
use crate::error::{Error, ErrorKind, Result};
use crate::paths;
use crate::pid::Pid;
use crate::remote::{self, Remote};
use crate::runtime::Runtime;

/// A monitor, written down by whoever of the two still lived.
struct BegunMonitor<'a> {
    id: u64,
    target: (&'a Cell, Pid),
    watcher: Pid,
    is_watching: bool,
    is_watched: bool,
}

impl Runtime {
    // Names

    /// Gives a live actor a name. A name goes when its actor ends; an actor may have several.
    ///
    /// # Errors
    /// `NameTaken` by another live actor; `NoProcess`; `InvalidArgument` for a name that is empty, too long or has NUL.
    pub fn register(&self, name: &str, pid: Pid) -> Result<()> {
        let cell = self.shared().cell(pid)?;
        let registered = cell.with_details(pid, |details| {
            self.shared().names.insert(name, pid)?;
            details.names.insert(name.to_owned());
            Ok(())
        });
        registered.unwrap_or_else(|| Err(Error::no_process(pid)))
    }

    /// Takes a name back. False: nobody had it.
    pub fn unregister(&self, name: &str) -> bool {
        let Some(pid) = self.whereis(name) else { return false };
        let Some(cell) = self.shared().table.get(pid) else { return false };
        cell.look_at_details(pid, |details| {
            details.names.remove(name);
            self.shared().names.remove(name, pid)
        })
        .unwrap_or(false)
    }

    /// Who has the name.
    #[must_use]
    pub fn whereis(&self, name: &str) -> Option<Pid> {
        self.shared().names.get(name)
    }

    // Paths

    /// Gives a live actor a path such as `/services/mail`.
    ///
    /// # Errors
    /// `NameTaken` by another live actor; `NoProcess`; `InvalidArgument` for a path that is not well formed.
    pub fn register_path(&self, path: &str, pid: Pid) -> Result<()> {
        let path = paths::normalised(path)?;
        let cell = self.shared().cell(pid)?;
        let registered = cell.with_details(pid, |details| {
            self.shared().paths.register(&path, pid)?;
            details.paths.insert(path);
            Ok(())
        });
        registered.unwrap_or_else(|| Err(Error::no_process(pid)))
    }

    /// Takes a path back. False: nobody had it.
    pub fn unregister_path(&self, path: &str) -> bool {
        let Ok(path) = paths::normalised(path) else { return false };
        let Some(pid) = self.whereis_path(&path) else { return false };
        let Some(cell) = self.shared().table.get(pid) else { return false };
        cell.look_at_details(pid, |details| {
            details.paths.remove(&path);
            self.shared().paths.remove(&path, pid)
        })
        .unwrap_or(false)
    }

    /// Who has the path.
    #[must_use]
    pub fn whereis_path(&self, path: &str) -> Option<Pid> {
        self.shared().paths.get(path)
    }

    /// All actors below a path, sorted by path.
    ///
    /// # Errors
    /// `InvalidArgument` for a prefix that is not well formed.
    pub fn list_children(&self, prefix: &str) -> Result<Vec<(String, Pid)>> {
        self.shared().paths.list_children(prefix)
    }

    /// The actors one level below a path, sorted by path.
    ///
    /// # Errors
    /// As [`Runtime::list_children`].
    pub fn list_children_direct(&self, prefix: &str) -> Result<Vec<(String, Pid)>> {
        self.shared().paths.list_children_direct(prefix)
    }

    // Links and monitors

    /// Links two live actors: when one exits, the other is told EXIT. Linking twice is linking once.
    ///
    /// # Errors
    /// `NoProcess`; `InvalidArgument` for an actor and itself.
    pub fn link(&self, a: Pid, b: Pid) -> Result<()> {
        if a == b {
            return Err(Error::invalid(format!("actor {a} cannot be linked to itself")));
        }
        if a.is_proxy() && b.is_proxy() {
            self.shared().cell(a).and(self.shared().cell(b))?;
            return Err(Error::invalid("two actors of other nodes are linked on one of their nodes"));
        }
        self.link_here(a, b)?;
        self.tell_remote(a, b, |remote, local| remote.peer.link(remote.pid, local));
        Ok(())
    }

    /// Links, and tells no other node.
    pub(crate) fn link_here(&self, a: Pid, b: Pid) -> Result<()> {
        let (cell_a, cell_b) = (self.shared().cell(a)?, self.shared().cell(b)?);
        if cell_a.with_details(a, |details| details.links.insert(b)).is_none() {
            return Err(Error::no_process(a));
        }
        if cell_b.with_details(b, |details| details.links.insert(a)).is_none() {
            cell_a.look_at_details(a, |details| details.links.remove(&b));
            return Err(Error::no_process(b));
        }
        let linked = cell_a.look_at_details(a, |details| details.links.contains(&b));
        if linked == Some(true) {
            return Ok(());
        }
        // `a` ended or was unlinked in between. Whom `b` still lists did not tell it of an end.
        let untold = cell_b.look_at_details(b, |details| details.links.remove(&a)) == Some(true);
        if linked.is_none() && untold { Err(Error::no_process(a)) } else { Ok(()) }
    }

    /// Takes a link back. False: there was none.
    pub fn unlink(&self, a: Pid, b: Pid) -> bool {
        let unlinked = self.unlink_here(a, b);
        if unlinked {
            self.tell_remote(a, b, |remote, local| remote.peer.unlink(remote.pid, local));
        }
        unlinked
    }

    /// Takes a link back, and tells no other node.
    pub(crate) fn unlink_here(&self, a: Pid, b: Pid) -> bool {
        let mut unlinked = false;
        for (pid, peer) in [(a, b), (b, a)] {
            if let Some(cell) = self.shared().table.get(pid) {
                unlinked |= cell.look_at_details(pid, |details| details.links.remove(&peer)).unwrap_or(false);
            }
        }
        unlinked
    }

    /// Tells the node of whichever of the two lives elsewhere, with the other.
    fn tell_remote(&self, a: Pid, b: Pid, tell: impl FnOnce(&Remote, Pid)) {
        let (proxy, local) = if a.is_proxy() { (a, b) } else { (b, a) };
        if let Some(remote) = self.shared().table.get(proxy).and_then(|cell| remote::of(cell, proxy)) {
            tell(&remote, local);
        }
    }

    /// Lets `watcher` be told DOWN, once, when `target` exits. Each call makes a monitor of its own.
    ///
    /// # Errors
    /// `NoProcess` for either; `WrongActorKind` for a watcher of another node, which monitors there.
    pub fn monitor(&self, target: Pid, watcher: Pid) -> Result<u64> {
        let (target_cell, watcher_cell) = (self.shared().cell(target)?, self.shared().cell(watcher)?);
        if watcher.is_proxy() {
            let message = format!("actor {watcher} lives on another node: it monitors from there");
            return Err(Error::new(ErrorKind::WrongActorKind, message));
        }
        let begun = self.begin_monitor((target_cell, target), (watcher_cell, watcher));
        self.settle_monitor(&begun)
    }

    fn begin_monitor<'a>(&self, target: (&'a Cell, Pid), watcher: (&Cell, Pid)) -> BegunMonitor<'a> {
        let id = self.shared().next_id();
        self.shared().monitors.insert(id, (target.1, watcher.1));
        let watching = watcher.0.with_details(watcher.1, |details| details.monitoring.insert(id, target.1));
        let watched = target.0.with_details(target.1, |details| details.monitors.insert(id, watcher.1));
        let (is_watching, is_watched) = (watching.is_some(), watched.is_some());
        BegunMonitor { id, target, watcher: watcher.1, is_watching, is_watched }
    }

    /// Either may have ended in between. A target that knew of the monitor has told DOWN, or does; a watcher that ended has
    /// taken its monitors back, but from a target that did not know of it yet.
    fn settle_monitor(&self, begun: &BegunMonitor<'_>) -> Result<u64> {
        let BegunMonitor { id, target: (target_cell, target), watcher, .. } = *begun;
        if !begun.is_watched {
            self.demonitor(id);
            return Err(Error::no_process(target));
        }
        let is_known = self.shared().monitors.contains_key(&id);
        if begun.is_watching && (is_known || target_cell.current_generation() != target.generation()) {
            return Ok(id);
        }
        self.demonitor(id);
        target_cell.look_at_details(target, |details| details.monitors.remove(&id));
        Err(Error::no_process(watcher))
    }

    /// Takes a monitor back. False: it fired, or never was.
    pub fn demonitor(&self, monitor: u64) -> bool {
        let Some((_, (target, watcher))) = self.shared().monitors.remove(&monitor) else { return false };
        if let Some(cell) = self.shared().table.get(target) {
            cell.look_at_details(target, |details| details.monitors.remove(&monitor));
        }
        if let Some(cell) = self.shared().table.get(watcher) {
            cell.look_at_details(watcher, |details| details.monitoring.remove(&monitor));
        }
        true
    }

    /// Tells the listener of dead letters, an observed or pull actor, of every message that is not delivered, as a
    /// `DEAD_LETTER` notice. `None`: nobody listens any more.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for an actor that hears no notices.
    pub fn listen_dead_letters(&self, listener: Option<Pid>) -> Result<()> {
        if let Some(pid) = listener {
            self.check_hears_notices(pid)?;
        }
        self.shared().listen_dead_letters(listener);
        Ok(())
    }

    /// Tells an observed or pull actor which other nodes are up, and of each that comes and goes from now on, as `NODE_UP`
    /// and `NODE_DOWN` notices.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for an actor that hears no notices.
    pub fn monitor_nodes(&self, listener: Pid) -> Result<()> {
        self.check_hears_notices(listener)?;
        self.shared().monitor_nodes(listener);
        Ok(())
    }

    /// Ends what [`Runtime::monitor_nodes`] began. False: the actor was not told of nodes.
    pub fn demonitor_nodes(&self, listener: Pid) -> bool {
        self.shared().demonitor_nodes(listener)
    }

    fn check_hears_notices(&self, pid: Pid) -> Result<()> {
        let hears = flag::OBSERVED | flag::PULL | flag::SYSTEM;
        if self.shared().cell(pid)?.has(hears) {
            return Ok(());
        }
        let message = format!("actor {pid} hears no notices: listen with a pull or observed actor");
        Err(Error::new(ErrorKind::WrongActorKind, message))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::message::{Incoming, SystemKind};
    use crate::options::SpawnOptions;

    #[test]
    fn whoever_ends_while_it_is_monitored_is_told_or_named() {
        let runtime = Runtime::new().expect("a runtime");
        let spawn = || runtime.spawn_observed(SpawnOptions::default()).expect("an actor");
        let cell = |pid| runtime.shared().cell(pid).expect("it lives");
        let begin = || {
            let (target, watcher) = (spawn(), spawn());
            (target, watcher, runtime.begin_monitor((cell(target), target), (cell(watcher), watcher)))
        };
        let (target, watcher, begun) = begin();
        assert!(runtime.stop(target));
        assert_eq!(runtime.settle_monitor(&begun).expect("DOWN is told"), begun.id);
        let told = runtime.take_observed(watcher).expect("it lives");
        let [Incoming::System(down)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((down.kind, down.from_pid), (SystemKind::Down, Some(target)));

        let (target, watcher, begun) = begin();
        assert!(runtime.stop(watcher));
        let error = runtime.settle_monitor(&begun).expect_err("nobody watches");
        assert_eq!(error.message(), Error::no_process(watcher).message());
        assert_eq!(cell(target).look_at_details(target, |details| details.monitors.len()), Some(0));

        let (target, watcher) = (spawn(), spawn());
        let target_cell = cell(target);
        assert!(runtime.stop(target));
        let begun = runtime.begin_monitor((target_cell, target), (cell(watcher), watcher));
        let error = runtime.settle_monitor(&begun).expect_err("it had ended");
        assert_eq!(error.message(), Error::no_process(target).message());
        assert!(runtime.take_observed(watcher).expect("it lives").is_empty());
        assert!(runtime.shared().monitors.is_empty());
    }
}

//! Relations: names, paths, links and monitors.

use napi_derive::napi;

use crate::errors::Result;
use crate::native::Native;
use crate::raw;

/// An actor and its path.
#[napi(object, object_from_js = false)]
pub struct PathEntry {
    /// The path.
    pub path: String,
    /// The actor.
    pub pid: f64,
}

#[napi]
impl Native {
    /// Gives an actor a name.
    #[napi]
    pub fn register(&self, name: String, pid: f64) -> Result<()> {
        let pid = self.state.pid(pid)?;
        self.state.check(self.state.runtime.register(&name, pid))
    }

    /// Gives an actor a name that all members know.
    #[napi]
    pub fn register_global(&self, name: String, pid: f64) -> Result<()> {
        let pid = self.state.pid(pid)?;
        self.state.check(self.state.runtime.register_global(&name, pid))
    }

    /// Takes a name back.
    #[napi]
    pub fn unregister(&self, name: String) -> bool {
        self.state.runtime.unregister(&name)
    }

    /// Who has a name; zero for nobody.
    #[napi]
    pub fn whereis(&self, name: String) -> f64 {
        self.state.runtime.whereis(&name).map_or(0.0, raw::number_of)
    }

    /// Gives an actor a path.
    #[napi]
    pub fn register_path(&self, path: String, pid: f64) -> Result<()> {
        let pid = self.state.pid(pid)?;
        self.state.check(self.state.runtime.register_path(&path, pid))
    }

    /// Takes a path back.
    #[napi]
    pub fn unregister_path(&self, path: String) -> bool {
        self.state.runtime.unregister_path(&path)
    }

    /// Who has a path; zero for nobody.
    #[napi]
    pub fn whereis_path(&self, path: String) -> f64 {
        self.state.runtime.whereis_path(&path).map_or(0.0, raw::number_of)
    }

    /// All actors below a path, sorted.
    #[napi]
    pub fn list_children(&self, prefix: String) -> Result<Vec<PathEntry>> {
        let children = self.state.check(self.state.runtime.list_children(&prefix))?;
        Ok(children.into_iter().map(PathEntry::from).collect())
    }

    /// The actors one level below a path, sorted.
    #[napi]
    pub fn list_children_direct(&self, prefix: String) -> Result<Vec<PathEntry>> {
        let children = self.state.check(self.state.runtime.list_children_direct(&prefix))?;
        Ok(children.into_iter().map(PathEntry::from).collect())
    }

    /// Links two actors.
    #[napi]
    pub fn link(&self, a: f64, b: f64) -> Result<()> {
        let (a, b) = (self.state.pid(a)?, self.state.pid(b)?);
        self.state.check(self.state.runtime.link(a, b))
    }

    /// Unlinks two actors.
    #[napi]
    pub fn unlink(&self, a: f64, b: f64) -> bool {
        match (raw::pid_of(a), raw::pid_of(b)) {
            (Some(a), Some(b)) => self.state.runtime.unlink(a, b),
            _ => false,
        }
    }

    /// Monitors an actor.
    #[napi]
    pub fn monitor(&self, target: f64, watcher: f64) -> Result<f64> {
        let (target, watcher) = (self.state.pid(target)?, self.state.pid(watcher)?);
        self.state.check(self.state.runtime.monitor(target, watcher)).map(raw::id_number)
    }

    /// Ends a monitor.
    #[napi]
    pub fn demonitor(&self, monitor: f64) -> bool {
        raw::id_of(monitor).is_some_and(|id| self.state.runtime.demonitor(id))
    }

    /// Tells an actor of dead letters, or nobody.
    #[napi]
    pub fn listen_dead_letters(&self, listener: Option<f64>) -> Result<()> {
        let listener = listener.map(|listener| self.state.pid(listener)).transpose()?;
        self.state.check(self.state.runtime.listen_dead_letters(listener))
    }
}

impl From<(String, iris_core::Pid)> for PathEntry {
    fn from((path, pid): (String, iris_core::Pid)) -> Self {
        Self { path, pid: raw::number_of(pid) }
    }
}

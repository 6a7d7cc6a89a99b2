//! What can be seen of actors from outside, for the models to compare with.

use std::collections::BTreeSet;

use iris_core::{Incoming, Pid, Runtime};

/// What an observed actor keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    User,
    Exit(Pid, &'static str),
    Down(Pid, &'static str, u64),
}

/// What can be seen of a live actor.
#[derive(Debug, PartialEq, Eq)]
pub struct View {
    pub pid: Pid,
    pub parent: Option<Pid>,
    pub children: Vec<Pid>,
    pub links: Vec<Pid>,
    pub monitored_by: Vec<Pid>,
    pub names: BTreeSet<String>,
    pub version: u32,
}

/// What can be seen of all live actors, by pid.
pub fn views(runtime: &Runtime) -> Vec<View> {
    let mut views: Vec<View> = runtime
        .tree()
        .into_iter()
        .map(|info| View {
            pid: info.pid,
            parent: info.parent,
            children: info.children,
            links: info.links,
            monitored_by: info.monitored_by,
            names: info.names.into_iter().collect(),
            version: info.version,
        })
        .collect();
    views.sort_by_key(|view| view.pid);
    views
}

pub fn kept(incoming: &Incoming) -> Kept {
    let Incoming::System(notice) = incoming else { return Kept::User };
    let (pid, reason) = (notice.target_pid.unwrap(), notice.reason.as_ref().unwrap().name());
    match notice.kind.name() {
        "EXIT" => Kept::Exit(pid, reason),
        "DOWN" => Kept::Down(pid, reason, notice.monitor.unwrap()),
        other => panic!("nobody told {other}"),
    }
}

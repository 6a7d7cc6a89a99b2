//! Where a node may listen and call, and what its peers may reach.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::nodes::{HERE, called, echo, listening, named, rule};
use common::{DEADLINE, runtime};
use iris_core::{ErrorKind, MeshOptions, SpawnOptions};

#[test]
fn addresses_of_nodes_are_checked() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    for (wanted, expected) in [
        (address.as_str(), ErrorKind::ListenFailed),
        ("127.0.0.1", ErrorKind::InvalidArgument),
        ("127.0.0.1:65536", ErrorKind::InvalidArgument),
        ("", ErrorKind::InvalidArgument),
        ("0.0.0.0:0", ErrorKind::NotPermitted),
        ("[::]:0", ErrorKind::NotPermitted),
    ] {
        assert_eq!(here.listen(wanted, None).unwrap_err().kind(), expected, "{wanted:?}");
    }
    let error =
        here.listen(HERE, Some(MeshOptions { insecure: true, ..MeshOptions::default() })).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(here.resolve_remote("10.255.255.1:9", "x").unwrap_err().kind(), ErrorKind::NotPermitted);
    assert_eq!(here.resolve_remote("nonsense", "x").unwrap_err().kind(), ErrorKind::InvalidArgument);
    let open = runtime();
    open.listen("0.0.0.0:0", Some(MeshOptions { insecure: true, ..MeshOptions::default() })).unwrap();
    there.shutdown(Duration::ZERO);
    assert_eq!(there.listen(HERE, None).unwrap_err().kind(), ErrorKind::RuntimeClosed);
}

#[test]
fn peers_reach_what_rules_allow() {
    let allow = Some(vec![rule("web-*", "mail*"), rule("*", "time")]);
    let (there, address) = listening(MeshOptions { allow, ..called("there") });
    let mut pids = Vec::new();
    for name in ["mail-in", "secret", "time"] {
        pids.push(there.spawn(echo, named(name)).unwrap());
    }
    let nameless = there.spawn(echo, SpawnOptions::default()).unwrap();
    for (peer, may) in [("web-1", [true, false, true]), ("other", [false, false, true])] {
        let here = runtime();
        here.start_mesh(called(peer)).unwrap();
        for ((name, pid), may) in ["mail-in", "secret", "time"].into_iter().zip(&pids).zip(may) {
            assert_eq!(here.resolve_remote(&address, name).unwrap().is_some(), may, "{peer} {name}");
            let proxy = here.monitor_remote(&address, *pid).unwrap();
            let answer = here.ask_blocking(proxy, b"hello".into(), Some(DEADLINE));
            assert_eq!(answer.is_ok(), may, "{peer} {name}");
            assert!(may || !here.stop(proxy) || there.is_alive(*pid));
        }
        let proxy = here.monitor_remote(&address, nameless).unwrap();
        assert!(here.ask_blocking(proxy, b"hello".into(), Some(DEADLINE)).is_err());
        assert!(pids.iter().all(|pid| there.is_alive(*pid)));
    }
}

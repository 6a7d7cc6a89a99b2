//! What comes from strangers: garbage, other protocols, silent clients, wrong certificates. The node closes the connection,
//! counts it, and lives; those it speaks with do not notice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::nodes::{HERE, certified, listening, named, refused};
use common::{DEADLINE, counter, runtime, wait_until};
use iris_core::{Certificates, Error, ErrorKind, MeshOptions, Runtime, SpawnOptions, dev_certs};
use proptest::prelude::*;
use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};

const PREAMBLE: &[u8] = b"\x89IRIS\r\n\x02";

/// A node with an actor, another that speaks with it, and the address.
struct Pair {
    there: Runtime,
    here: Runtime,
    address: String,
}

impl Pair {
    fn new() -> Self {
        let (there, address) = serving(MeshOptions::default());
        Self { there, here: runtime(), address }
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client
    }

    /// The node closes the connection of whoever sends this, and serves the other all the while.
    fn closes(&self, sent: &[u8]) {
        let proxy = self.here.resolve_remote(&self.address, "actor").unwrap().unwrap();
        let before = refused(&self.there);
        let mut client = self.client();
        let _ = client.write_all(sent);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        wait_until("it is counted", || refused(&self.there) == before + 1);
        assert!(self.here.is_alive(proxy));
        assert_eq!(self.here.resolve_remote(&self.address, "actor").unwrap(), Some(proxy));
    }
}

/// A hello of a node, as docs/protocol.md has it.
fn hello(name: &str) -> Vec<u8> {
    let mut fields = vec![1, 1, 0, 2, 2, 2, 2, 0, u8::try_from(name.len()).unwrap()];
    fields.extend_from_slice(name.as_bytes());
    fields.extend_from_slice(&[4, 0, 4, 0, 16, 0, 0, 5, 0, 4, 0, 1, 0, 0, 6, 0, 4, 0, 0, 0x75, 0x30]);
    let mut said = PREAMBLE.to_vec();
    said.extend_from_slice(&u32::try_from(fields.len()).unwrap().to_be_bytes());
    said.extend_from_slice(&fields);
    said
}

#[test]
fn other_protocols_and_garbage_are_closed() {
    let pair = Pair::new();
    let tls_hello = [0x16, 3, 1, 0, 200, 1];
    for sent in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &tls_hello,
        b"\xff\xff\xff\xff\xff\xff",
        b"\x89IRIS\r\n\x03",
        b"\x89HTTP...",
        &[PREAMBLE, &[0, 0, 0, 0]].concat(),
        &[PREAMBLE, &[0xff; 8]].concat(),
        &[PREAMBLE, &[0, 0, 0x10, 0, 1], &[9; 4095]].concat(),
        &[PREAMBLE, &[0, 0, 0, 1, 2]].concat(),
        &[PREAMBLE, &[0, 0, 0, 2, 1, 2]].concat(),
        &[hello("peer"), vec![0, 0, 0, 2, 0x21, 1]].concat(),
        &[hello("")].concat(),
    ] {
        pair.closes(sent);
    }
}

#[test]
fn what_a_node_says_wrongly_ends_its_connection_alone() {
    let pair = Pair::new();
    let proxy = pair.here.resolve_remote(&pair.address, "actor").unwrap().unwrap();
    for (number, sent) in [
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 1, 0x01],
        vec![0, 0, 0, 1, 0x7f],
        vec![0, 0, 0, 2, 0x10, 0],
        vec![0, 0x20, 0, 0, 0x10],
        vec![0xff, 0xff, 0xff, 0xff, 0x10],
        vec![0, 1, 0, 1, 0x30],
        vec![0, 0, 0, 12, 0x30, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0xff],
        vec![0, 0, 0, 13, 0x30, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0],
        [vec![0, 0, 0, 17, 0x20], vec![0xff; 16]].concat(),
        vec![0, 0, 0, 10, 0x33, 0, 0, 0, 0, 0, 0, 0, 1, 9],
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = pair.client();
        client.write_all(&hello(&format!("peer-{number}"))).unwrap();
        client.write_all(&[0, 0, 0, 1, 2]).unwrap();
        let _ = client.write_all(&sent);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert!(pair.here.is_alive(proxy), "after {sent:?}");
    }
    wait_until("they are gone", || pair.there.mesh_info().unwrap().nodes.len() == 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_of_garbage_do_no_harm(frames in prop::collection::vec(
        (0_u8..0x40, prop::collection::vec(any::<u8>(), 0..64)), 1..20,
    )) {
        let there = runtime();
        let address = there.listen(HERE, None).unwrap();
        let (behaviour, _) = counter();
        there.spawn(behaviour, SpawnOptions::default()).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let mut said = hello("peer");
        said.extend_from_slice(&[0, 0, 0, 1, 2]);
        for (kind, body) in frames {
            said.extend_from_slice(&u32::try_from(body.len() + 1).unwrap().to_be_bytes());
            said.push(kind);
            said.extend_from_slice(&body);
        }
        let _ = client.write_all(&said);
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.set_read_timeout(Some(DEADLINE));
        let _ = client.read_to_end(&mut Vec::new());
        let here = runtime();
        prop_assert!(here.is_node_up(&address.to_string()));
    }
}

#[test]
fn a_thousand_silent_clients_keep_nobody_out() {
    let pair = Pair::new();
    let _silent: Vec<TcpStream> = (0..1000).map(|_| pair.client()).collect();
    let since = Instant::now();
    assert!(pair.here.resolve_remote(&pair.address, "actor").unwrap().is_some());
    // 50 ms on a machine that has nothing else to do.
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    wait_until("the oldest are let go", || refused(&pair.there) >= 700);
}

// TLS

/// A node of this name with the certificates of a directory.
fn node(directory: &Path, name: &str) -> MeshOptions {
    MeshOptions { timeout: Duration::from_secs(2), ..certified(directory, name) }
}

/// A node with an actor, and its address.
fn serving(options: MeshOptions) -> (Runtime, String) {
    let (there, address) = listening(options);
    there.spawn(counter().0, named("actor")).unwrap();
    (there, address)
}

fn calling(options: MeshOptions, address: &str) -> Result<(), Error> {
    let here = runtime();
    here.start_mesh(options).unwrap();
    here.resolve_remote(address, "actor").map(|found| assert!(found.is_some()))
}

#[test]
fn nodes_with_certificates_of_one_authority_speak() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["one", "other"]).unwrap();
    dev_certs(directory.path(), &["third"]).unwrap();
    let (there, address) = serving(node(directory.path(), "one"));
    for name in ["other", "third"] {
        assert_eq!(calling(node(directory.path(), name), &address), Ok(()));
    }
    assert_eq!(refused(&there), 0);
    // With certificates an address that others can reach is no matter.
    there.listen("0.0.0.0:0", None).unwrap();
}

#[test]
fn strangers_are_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    dev_certs(ours.path(), &["one", "other"]).unwrap();
    dev_certs(theirs.path(), &["other"]).unwrap();
    let (there, address) = serving(node(ours.path(), "one"));
    let certificates = node(ours.path(), "other").certificates;
    let claims = MeshOptions { name: Some("third".to_owned()), ..node(ours.path(), "other") };
    let spelt = MeshOptions { name: Some("Other".to_owned()), ..claims.clone() };
    let plain = MeshOptions { timeout: Duration::from_secs(2), ..MeshOptions::default() };
    let expired = MeshOptions { certificates: Some(expired(ours.path(), "old")), ..claims.clone() };
    let mixed = Certificates { authority: theirs.path().join("ca.pem"), ..certificates.unwrap() };
    let distrusts = MeshOptions { certificates: Some(mixed), ..node(ours.path(), "other") };
    let strangers = [
        node(theirs.path(), "other"),
        claims,
        spelt,
        plain,
        MeshOptions { name: Some("old".into()), ..expired },
        distrusts,
    ];
    for (number, options) in (1..).zip(strangers) {
        let error = calling(options, &address).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NodeDown | ErrorKind::NotPermitted), "{number}: {error}");
        wait_until("it is counted", || refused(&there) >= number);
    }
    assert_eq!(calling(node(ours.path(), "other"), &address), Ok(()));
}

/// The certificate of a node that was good until 2020, from a directory's own authority.
fn expired(directory: &Path, name: &str) -> Certificates {
    let pem = std::fs::read_to_string(directory.join("ca.key")).unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "iris development authority");
    let issuer = Issuer::new(authority, KeyPair::from_pem(&pem).unwrap());
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    let key = KeyPair::generate().unwrap();
    let files = Certificates::in_directory(directory, name).unwrap();
    std::fs::write(&files.certificate, params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

#[test]
fn an_impostor_that_listens_is_refused_by_who_calls() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    dev_certs(ours.path(), &["one", "other"]).unwrap();
    dev_certs(theirs.path(), &["one"]).unwrap();
    let claims = MeshOptions { name: Some("third".to_owned()), ..node(ours.path(), "one") };
    for (options, expected) in [
        (node(theirs.path(), "one"), ErrorKind::NodeDown),
        (claims, ErrorKind::NotPermitted),
        (MeshOptions::default(), ErrorKind::NodeDown),
    ] {
        let (_there, address) = serving(options);
        let error = calling(node(ours.path(), "other"), &address).unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
    }
}

#[test]
fn tls_1_2_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["one"]).unwrap();
    let (there, address) = serving(node(directory.path(), "one"));
    let mut client = TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(&client_hello_1_2()).unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    // An alert: fatal, protocol version.
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70]);
    wait_until("it is counted", || refused(&there) == 1);
}

/// A client hello of TLS 1.2 with one cipher suite, curve and signature scheme.
fn client_hello_1_2() -> Vec<u8> {
    let extensions = [
        // supported_groups: x25519
        &[0, 10, 0, 4, 0, 2, 0, 29][..],
        // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 13, 0, 4, 0, 2, 4, 3],
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut said = vec![22, 3, 1];
    said.extend_from_slice(&(length + 4).to_be_bytes());
    said.extend_from_slice(&[1, 0]);
    said.extend_from_slice(&length.to_be_bytes());
    said.extend_from_slice(&body);
    said
}

#[test]
fn certificates_must_be_there_and_fit() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["one", "other"]).unwrap();
    let good = Certificates::in_directory(directory.path(), "one").unwrap();
    let missing = PathBuf::from("nowhere.pem");
    let other = Certificates::in_directory(directory.path(), "other").unwrap().key;
    for wrong in [
        Certificates { authority: missing.clone(), ..good.clone() },
        Certificates { certificate: missing.clone(), ..good.clone() },
        Certificates { key: missing, ..good.clone() },
        Certificates { key: good.certificate.clone(), ..good.clone() },
        Certificates { key: other, ..good.clone() },
    ] {
        let options = MeshOptions { certificates: Some(wrong), ..node(directory.path(), "one") };
        let error = runtime().start_mesh(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let nameless = MeshOptions { name: None, ..node(directory.path(), "one") };
    assert_eq!(runtime().start_mesh(nameless).unwrap_err().kind(), ErrorKind::InvalidArgument);
    for name in ["", "ca", "../one", ".one", "a/b"] {
        assert!(Certificates::in_directory(directory.path(), name).is_err(), "{name:?}");
        assert!(dev_certs(directory.path(), &[name]).is_err(), "{name:?}");
    }
}

#[test]
fn keys_are_never_overwritten_and_their_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let read = |name: &str| std::fs::read(file(name)).unwrap();
    dev_certs(directory.path(), &["one"]).unwrap();
    let (authority, key) = (read("ca.pem"), read("one.key"));
    let error = dev_certs(directory.path(), &["other", "one"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert!(error.to_string().contains("one.key exists already"), "{error}");
    assert!(!file("other.key").exists());
    dev_certs(directory.path(), &["other"]).unwrap();
    assert_eq!((read("ca.pem"), read("one.key")), (authority, key));
    #[cfg(unix)]
    for name in ["ca.key", "one.key", "other.key"] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file(name)).unwrap());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    // A node's certificate holds under the authority's certificate that was made again from its key.
    std::fs::remove_file(file("ca.pem")).unwrap();
    dev_certs(directory.path(), &["third"]).unwrap();
    let (here, there) = (runtime(), runtime());
    let address = there.listen(HERE, Some(node(directory.path(), "one"))).unwrap();
    here.start_mesh(node(directory.path(), "third")).unwrap();
    assert!(here.is_node_up(&address.to_string()));
    std::fs::remove_file(file("ca.key")).unwrap();
    let error = dev_certs(directory.path(), &["fourth"]).unwrap_err();
    assert!(error.to_string().contains("its key ca.key is not"), "{error}");
}

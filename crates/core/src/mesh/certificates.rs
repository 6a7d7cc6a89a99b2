//! Certificates for development: an authority of one's own in a directory, and a certificate for each node's name.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::options::Certificates;
use crate::error::{Error, Result};

const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";

/// Writes certificates for these node names into a directory: `NAME.pem` and `NAME.key`, signed by the authority in
/// `ca.pem` and `ca.key`, which is made where the directory has none. Keys that are there are never overwritten. For
/// development and tests: whoever can read `ca.key` can be any node.
///
/// ```
/// let directory = tempfile::tempdir().expect("a directory");
/// iris_core::dev_certs(directory.path(), &["one", "other"]).expect("certificates");
/// assert!(directory.path().join("other.key").is_file());
/// ```
///
/// # Errors
/// `InvalidArgument` for a name that is no DNS name; `NotPermitted` where the directory cannot be written, or has a key of
/// one of these names already: then nothing is written.
pub fn dev_certs(directory: &Path, names: &[&str]) -> Result<()> {
    let denied = |error: &dyn std::fmt::Display| {
        let message = format!("certificates in {}: {error}", directory.display());
        Error::new(crate::error::ErrorKind::NotPermitted, message)
    };
    let nodes: Vec<_> = names
        .iter()
        .map(|name| Ok((Certificates::in_directory(directory, name)?, of_node(name)?)))
        .collect::<Result<_>>()?;
    if let Some((files, _)) = nodes.iter().find(|(files, _)| files.key.exists()) {
        return Err(denied(&format!("{} exists already; remove it to make another", files.key.display())));
    }
    fs::create_dir_all(directory).map_err(|error| denied(&error))?;
    let issuer = Issuer::new(of_authority(), authority(directory).map_err(|error| denied(&error))?);
    for (files, params) in nodes {
        let key = KeyPair::generate().map_err(|error| denied(&error))?;
        let signed = params.signed_by(&key, &issuer).map_err(|error| denied(&error))?;
        write_secret(&files.key, &key.serialize_pem()).map_err(|error| denied(&error))?;
        fs::write(&files.certificate, signed.pem()).map_err(|error| denied(&error))?;
    }
    Ok(())
}

/// The key of the directory's authority. Its certificate follows from it, so one that got lost is written anew.
fn authority(directory: &Path) -> std::result::Result<KeyPair, Box<dyn std::error::Error>> {
    let (certificate, key_file) = (directory.join(AUTHORITY), directory.join(AUTHORITY_KEY));
    let key = if key_file.exists() {
        KeyPair::from_pem(&fs::read_to_string(&key_file)?)?
    } else if certificate.exists() {
        // Certificates of another key would be signed by nobody whom the nodes trust.
        return Err(format!("{AUTHORITY} is there, but its key {AUTHORITY_KEY} is not").into());
    } else {
        let key = KeyPair::generate()?;
        write_secret(&key_file, &key.serialize_pem())?;
        key
    };
    if !certificate.exists() {
        fs::write(certificate, of_authority().self_signed(&key)?.pem())?;
    }
    Ok(key)
}

fn of_authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "iris development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut params);
    params
}

fn of_node(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new([name.to_owned()])
        .map_err(|error| Error::invalid(format!("node name {name:?} is no DNS name: {error}")))?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    last(&mut params);
    Ok(params)
}

/// Long enough that no developer renews one.
fn last(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2044, 1, 1);
}

/// Writes a new file that its owner alone may read. One that is there keeps who may read it, and is refused.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}

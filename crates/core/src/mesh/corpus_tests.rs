//! Corpus: what the fuzz targets of `make fuzz` begin with is read, or refused, as the name of its file says.

use std::path::Path;

use super::datagram::look_through;
use super::datagram::tests::room;
use super::malformed::Malformed;
use super::{frame::Frame, hello::Handshake, v1};

/// How long what the bytes begin with is; `None`: it is not all there.
type Decoder = fn(&[u8]) -> Result<Option<usize>, Malformed>;

/// Reads a file to its end; the result is what is left that is not all there.
fn left(mut bytes: &[u8], length_of_next: Decoder) -> Result<usize, Malformed> {
    while let Some(length) = length_of_next(bytes)? {
        bytes = &bytes[length..];
    }
    Ok(bytes.len())
}

#[test]
fn each_file_is_what_its_name_says() {
    let decoders: [(&str, usize, Decoder); 3] = [
        ("frame", 14, |bytes| Ok(Frame::parse(bytes, 1 << 20)?.map(|(_, length)| length))),
        ("hello", 10, |bytes| Ok(Handshake::parse(bytes)?.map(|(_, length)| length))),
        ("v1", 8, |bytes| {
            let skipped = usize::from(v1::begins_with_version(bytes) == Some(true));
            Ok(v1::parse(&bytes[skipped..])?.map(|(_, length)| skipped + length))
        }),
    ];
    for (decoder, count, length_of_next) in decoders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(decoder);
        let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), count, "{decoder}");
        for file in files {
            let left = left(&std::fs::read(&file).unwrap(), length_of_next);
            let as_named = match file.file_name().unwrap().to_str().unwrap() {
                "too_long" => matches!(left, Err(Malformed::TooLong { .. })),
                "unknown" => matches!(left, Err(Malformed::UnknownKind(_))),
                "empty" => left == Err(Malformed::Empty),
                "not_text" | "name_control" => matches!(left, Err(Malformed::NotText { .. })),
                "tls" | "http" => matches!(left, Err(Malformed::Stranger(_))),
                "cut" => matches!(left, Ok(1..) | Err(Malformed::Short { .. })),
                _ => left == Ok(0),
            };
            assert!(as_named, "{}: {left:?}", file.display());
        }
    }
}

#[test]
fn each_file_of_gossip_is_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/datagram");
    let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 9);
    for file in files {
        let looked = look_through(&std::fs::read(&file).unwrap(), &mut room(1000, 1000));
        let left_out = looked.as_ref().ok().map(|looked| looked.left_out);
        let expected = match file.file_name().unwrap().to_str().unwrap() {
            "unknown" | "cut" => None,
            "of_this" | "contradicts" => Some(1),
            _ => Some(0),
        };
        assert_eq!(left_out, expected, "{}: {looked:?}", file.display());
    }
}

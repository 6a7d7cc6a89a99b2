//! Spill: messages in temporary files, first in, first out, for a mailbox that is full.
//!
//! The files are unlinked where the system can do that, so nothing is left behind however the process ends. Each message
//! is its length (four bytes) and its bytes; together they are one stream. Its beginning is in `head`, its middle in the
//! files, its end in `tail`, which is written to the last file when it is large. A file that was read to its end goes,
//! so a mailbox that is never quite empty does not fill the disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::{Buf, Bytes, BytesMut};

/// Most bytes one mailbox may keep in its file, lengths included: a gibibyte fills no disk by itself and is seconds of writing.
pub(crate) const SPILL_BYTES_MAX: u64 = 1 << 30;
/// Bytes gathered before the file is written or read: large enough that a system call costs little by the byte.
const BUFFER_BYTES: usize = 64 * 1024;
/// Bytes after which a new file is begun.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
const LENGTH_BYTES: usize = 4;

/// The spilled messages of one mailbox.
pub(crate) struct Spill {
    /// Read from the files and not yet popped.
    head: BytesMut,
    /// Oldest first, at least one.
    files: VecDeque<Part>,
    /// Pushed and not yet written.
    tail: BytesMut,
    messages: usize,
}

/// A file, read up to `read` and written up to `written`.
struct Part {
    file: File,
    read: u64,
    written: u64,
}

impl Part {
    fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, read: 0, written: 0 })
    }

    fn left(&self) -> u64 {
        self.written - self.read
    }
}

impl Spill {
    /// An empty file in the system's folder for temporary files.
    pub(crate) fn new() -> io::Result<Self> {
        let files = VecDeque::from([Part::new()?]);
        Ok(Self { head: BytesMut::new(), files, tail: BytesMut::new(), messages: 0 })
    }

    /// How many messages are kept.
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    /// Bytes kept, lengths included.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(Part::left).sum::<u64>() + (self.head.len() + self.tail.len()) as u64
    }

    /// Appends a message. An error of kind `StorageFull` says that [`SPILL_BYTES_MAX`] is reached; after any error the
    /// message is not kept, and what was kept before still is.
    pub(crate) fn push(&mut self, message: &[u8]) -> io::Result<()> {
        let full = || {
            io::Error::new(io::ErrorKind::StorageFull, format!("over {SPILL_BYTES_MAX} bytes are spilled"))
        };
        let length = u32::try_from(message.len()).map_err(|_| full())?;
        if self.bytes() + (LENGTH_BYTES + message.len()) as u64 > SPILL_BYTES_MAX {
            return Err(full());
        }
        if self.tail.len() >= BUFFER_BYTES {
            self.write_out()?;
        }
        self.tail.extend_from_slice(&length.to_le_bytes());
        self.tail.extend_from_slice(message);
        self.messages += 1;
        Ok(())
    }

    /// Takes the oldest message.
    pub(crate) fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if self.messages == 0 {
            return Ok(None);
        }
        self.fill(LENGTH_BYTES)?;
        let length = u32::from_le_bytes([self.head[0], self.head[1], self.head[2], self.head[3]]) as usize;
        self.fill(LENGTH_BYTES + length)?;
        self.head.advance(LENGTH_BYTES);
        let message = Bytes::copy_from_slice(&self.head[..length]);
        self.head.advance(length);
        self.messages -= 1;
        Ok(Some(message))
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.files.back().is_none_or(|part| part.written >= FILE_BYTES) {
            self.files.push_back(Part::new()?);
        }
        let Some(part) = self.files.back_mut() else { return Ok(()) };
        part.file.seek(SeekFrom::Start(part.written))?;
        part.file.write_all(&self.tail)?;
        part.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// Sees to it that `head` has this many bytes.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.head.len() < bytes {
            self.drop_read_files()?;
            match self.files.front_mut() {
                Some(part) if part.left() > 0 => part.read_ahead(&mut self.head, bytes)?,
                _ => {
                    self.head.extend_from_slice(&self.tail);
                    self.tail.clear();
                }
            }
        }
        Ok(())
    }

    /// Lets go of files that were read to their end, and empties the last one.
    fn drop_read_files(&mut self) -> io::Result<()> {
        while self.files.len() > 1 && self.files[0].left() == 0 {
            self.files.pop_front();
        }
        let part = &mut self.files[0];
        if part.left() == 0 && part.written != 0 {
            part.file.set_len(0)?;
            (part.read, part.written) = (0, 0);
        }
        Ok(())
    }
}

impl Part {
    /// Appends what comes next to `head`, until that has `wanted` bytes and some more, or the file ends.
    fn read_ahead(&mut self, head: &mut BytesMut, wanted: usize) -> io::Result<()> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let before = head.len();
        let chunk = (wanted - before).max(BUFFER_BYTES).min(left);
        self.file.seek(SeekFrom::Start(self.read))?;
        head.resize(before + chunk, 0);
        if let Err(error) = self.file.read_exact(&mut head[before..]) {
            head.truncate(before);
            return Err(error);
        }
        self.read += chunk as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> Vec<u8> {
        vec![number.to_le_bytes()[0]; number * 7919 % 5000]
    }

    #[test]
    fn first_in_first_out_whatever_is_in_the_file() {
        // How many are pushed before how many are popped: buffers only, across them, and around the file's end.
        for (pushed, popped) in [(1, 1), (3, 2), (100, 99), (500, 100), (1000, 1000), (7, 3)] {
            let (mut spill, mut next_in, mut next_out) = (Spill::new().unwrap(), 0, 0);
            for _ in 0..20 {
                for _ in 0..pushed {
                    spill.push(&message(next_in)).unwrap();
                    next_in += 1;
                }
                for _ in 0..popped {
                    assert_eq!(spill.pop().unwrap().unwrap(), message(next_out), "message {next_out}");
                    next_out += 1;
                }
                assert_eq!(spill.len(), next_in - next_out);
                let left: usize =
                    (next_out..next_in).map(|number| message(number).len() + LENGTH_BYTES).sum();
                assert_eq!(spill.bytes(), left as u64);
            }
            while let Some(bytes) = spill.pop().unwrap() {
                assert_eq!(bytes, message(next_out));
                next_out += 1;
            }
            assert_eq!((next_out, spill.bytes()), (next_in, 0));
        }
    }

    #[test]
    fn a_large_message_and_an_empty_one() {
        let mut spill = Spill::new().unwrap();
        let large = vec![7; 3 * BUFFER_BYTES + 1];
        for _ in 0..3 {
            spill.push(&large).unwrap();
            spill.push(b"").unwrap();
        }
        for _ in 0..3 {
            assert_eq!(spill.pop().unwrap().unwrap(), large);
            assert_eq!(spill.pop().unwrap().unwrap(), b""[..]);
        }
        assert_eq!(spill.pop().unwrap(), None);
    }

    fn sizes(spill: &Spill) -> Vec<u64> {
        spill.files.iter().map(|part| part.file.metadata().unwrap().len()).collect()
    }

    #[test]
    fn files_that_were_read_go() {
        let mut spill = Spill::new().unwrap();
        let message = vec![1; 1 << 20];
        for _ in 0..150 {
            spill.push(&message).unwrap();
        }
        assert_eq!(spill.files.len(), 3);
        for _ in 0..100 {
            spill.push(&message).unwrap();
            assert_eq!(spill.pop().unwrap().unwrap().len(), message.len());
            assert!(spill.files.len() <= 4);
        }
        while spill.pop().unwrap().is_some() {}
        assert_eq!(spill.bytes(), 0);
        spill.push(&message).unwrap();
        assert_eq!(spill.pop().unwrap().unwrap().len(), message.len());
        assert_eq!(sizes(&spill), [0]);
    }

    #[test]
    fn a_full_file_refuses_and_keeps_what_it_has() {
        let mut spill = Spill::new().unwrap();
        spill.push(b"kept").unwrap();
        let part = spill.files.front_mut().unwrap();
        part.written = SPILL_BYTES_MAX - 100;
        assert_eq!(spill.push(&[0; 200]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        spill.files.front_mut().unwrap().written = 0;
        spill.push(&[0; 200]).unwrap();
        assert_eq!(spill.pop().unwrap().unwrap(), b"kept"[..]);
        assert_eq!(spill.len(), 1);
    }
}

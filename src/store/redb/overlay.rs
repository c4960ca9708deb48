//! A file that is read where it lies, while what is written to it is kept in memory: redb may repair and commit as it
//! likes, and the file stays as it is.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// The bytes that are copied into memory when one of them is written.
const PAGE: usize = 4096;

/// The file, with the changes that are kept in memory.
#[derive(Debug)]
pub(super) struct Overlay {
    file: File,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    /// How long the file seems to be.
    len: u64,
    /// How much of it is still the file's own; what lies behind reads as zeros unless it was written.
    own: u64,
    /// Whole pages, by their number.
    pages: HashMap<u64, Box<[u8; PAGE]>>,
}

impl Overlay {
    /// The file as it is, with no changes yet.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, changes: Mutex::new(Changes { len, own: len, pages: HashMap::new() }) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies in the file at `offset`, as far as it is the file's own; zeros behind that.
    fn read_own(&self, own: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(own.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (there, behind) = out.split_at_mut(there);
        behind.fill(0);
        self.file.read_exact_at(there, offset)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if end(offset, out.len()) > changes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_own(changes.own, offset, out)?;
        if changes.pages.is_empty() {
            return Ok(());
        }
        for (page, within, at) in pieces(offset, out.len()) {
            if let Some(changed) = changes.pages.get(&page) {
                let length = at.len();
                out[at].copy_from_slice(&changed[within..within + length]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        if len < changes.len {
            changes.own = changes.own.min(len);
            let (last, kept) = (len / PAGE as u64, usize::try_from(len % PAGE as u64).unwrap_or_default());
            changes.pages.retain(|page, _| *page <= last);
            if let Some(cut) = changes.pages.get_mut(&last) {
                cut[kept..].fill(0);
            }
        }
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        for (page, within, at) in pieces(offset, data.len()) {
            if !changes.pages.contains_key(&page) {
                let mut copy = Box::new([0; PAGE]);
                self.read_own(changes.own, page * PAGE as u64, &mut copy[..])?;
                changes.pages.insert(page, copy);
            }
            if let Some(copy) = changes.pages.get_mut(&page) {
                copy[within..within + at.len()].copy_from_slice(&data[at]);
            }
        }
        changes.len = changes.len.max(end(offset, data.len()));
        Ok(())
    }
}

fn end(offset: u64, length: usize) -> u64 {
    offset.saturating_add(length as u64)
}

/// `length` bytes from `offset` on, page by page: the page's number, where in it they begin, and which of them they are.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = end(offset, done);
        let within = usize::try_from(position % PAGE as u64).unwrap_or_default();
        let piece = (length - done).min(PAGE - within);
        let at = done..done + piece;
        done += piece;
        (piece > 0).then(|| (position / PAGE as u64, within, at))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Deed {
        Write(usize, usize, u8),
        Length(usize),
        Read(usize, usize),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            (0_usize..30_000, 0_usize..9_000, any::<u8>()).prop_map(|(at, length, byte)| Deed::Write(at, length, byte)),
            (0_usize..40_000).prop_map(Deed::Length),
            (0_usize..40_000, 0_usize..20_000).prop_map(|(at, length)| Deed::Read(at, length)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_reads_as_a_file_that_was_written_and_leaves_the_file_alone(
            deeds in prop::collection::vec(deed(), 1..40),
            length in 0_usize..20_000,
        ) {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let before: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            file.write_all(&before).unwrap();
            let overlay = Overlay::new(file.reopen().unwrap()).unwrap();
            let mut model = before.clone();
            for deed in deeds {
                match deed {
                    Deed::Write(at, length, byte) => {
                        let at = at.min(model.len());
                        overlay.write(at as u64, &vec![byte; length]).unwrap();
                        model.resize(model.len().max(at + length), 0);
                        model[at..at + length].fill(byte);
                    }
                    Deed::Length(length) => {
                        overlay.set_len(length as u64).unwrap();
                        model.resize(length, 0);
                    }
                    Deed::Read(at, length) => {
                        let mut found = vec![7; length];
                        let read = overlay.read(at as u64, &mut found);
                        match model.get(at..at + length) {
                            Some(expected) => { read.unwrap(); prop_assert_eq!(&found, expected); }
                            None => prop_assert!(read.is_err()),
                        }
                    }
                }
                prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
            }
            prop_assert_eq!(std::fs::read(file.path()).unwrap(), before);
        }
    }
}

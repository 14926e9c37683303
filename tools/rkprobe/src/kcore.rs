// SPDX-License-Identifier: GPL-2.0

//! The memory of the kernel, from `/proc/kcore`. It has the text as it is now, with the bytes that
//! probes have changed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An open kcore.
pub struct Kcore {
    file: File,
    /// Address, length, and place in the file.
    segments: Vec<(u64, u64, u64)>,
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

impl Kcore {
    /// Opens the file and reads its program headers, which are those of ELF for 64 bits.
    ///
    /// # Errors
    ///
    /// Those of the system; `InvalidData`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0)?;
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return Err(invalid());
        }
        let field = |at, len| number(&header, at, len).ok_or_else(invalid);
        let (start, size, count) = (field(32, 8)?, field(54, 2)?, field(56, 2)?);
        let length = usize::try_from(size * count).map_err(|_| invalid())?;
        let mut table = vec![0; length];
        file.read_exact_at(&mut table, start)?;
        let size = usize::try_from(size).map_err(|_| invalid())?.max(56);
        let segment = |entry: &[u8]| {
            let loaded = number(entry, 0, 4)? == 1;
            let place = (
                number(entry, 16, 8)?,
                number(entry, 40, 8)?,
                number(entry, 8, 8)?,
            );
            loaded.then_some(place)
        };
        let segments = table.chunks_exact(size).filter_map(segment).collect();
        Ok(Self { file, segments })
    }

    /// The bytes at an address.
    ///
    /// # Errors
    ///
    /// `NotFound`: no memory is there; those of the system.
    pub fn read(&self, address: u64, length: usize) -> io::Result<Vec<u8>> {
        let inside = |(start, size, _): &&(u64, u64, u64)| {
            let offset = address.wrapping_sub(*start);
            offset < *size && size - offset >= length as u64
        };
        let (start, _, place) = self
            .segments
            .iter()
            .find(inside)
            .ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, address - start + place)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn segments_are_read() {
        let mut image = vec![0u8; 64 + 56];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[32] = 64;
        image[54] = 56;
        image[56] = 1;
        image[64] = 1;
        image[64 + 8] = 120;
        image[64 + 16..64 + 24].copy_from_slice(&0xffff_ffff_8100_0000u64.to_le_bytes());
        image[64 + 40] = 4;
        image.extend([1, 2, 3, 4]);
        let path = std::env::temp_dir().join(format!("rkprobe-kcore-{}", std::process::id()));
        File::create(&path).unwrap().write_all(&image).unwrap();
        let kcore = Kcore::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(kcore.read(0xffff_ffff_8100_0001, 3).unwrap(), [2, 3, 4]);
        assert!(kcore.read(0xffff_ffff_8100_0001, 4).is_err());
        assert!(kcore.read(0, 1).is_err());
    }
}
